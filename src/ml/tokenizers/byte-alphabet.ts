/**
 * The alphabet of byte-level BPE (GPT-2): each byte is one printable character, so that merges are written as
 * text. Printable Latin-1 stands for itself, the other 68 bytes move to U+0100 and up.
 */

const isPrintable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae

const characters: readonly string[] = (() => {
  let moved = 0x100
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : moved++))
})()

const bytes: ReadonlyMap<string, number> = new Map(characters.map((character, byte) => [character, byte]))

/** UTF-8 bytes of a text, a character of the alphabet each. */
export function toByteAlphabet(text: string): string {
  let out = ''
  for (const byte of new TextEncoder().encode(text)) out += characters[byte] ?? ''
  return out
}

/** The text; malformed UTF-8 becomes U+FFFD. Characters outside the alphabet stay themselves. */
export function fromByteAlphabet(text: string): string {
  const out: number[] = []
  for (const character of text) {
    const byte = bytes.get(character)
    if (byte === undefined) out.push(...new TextEncoder().encode(character))
    else out.push(byte)
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(out))
}
