/** Unsigned varints (multiformats): seven bits a byte, the lowest first. */

/** Numbers below 2^35. */
export const MAX_VARINT_BYTES = 5

export function varint(value: number): readonly number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const group = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? group | 0x80 : group)
  } while (rest > 0)
  return bytes
}

/** What a varint cannot be: it would have more than 35 bits, or has an empty last group. */
export class VarintError extends Error {
  override readonly name = 'VarintError'
  constructor(
    readonly reason: 'long' | 'padded',
    message: string,
  ) {
    super(message)
  }
}

/** Collects one varint after the other. */
export class VarintReader {
  #value = 0
  #bytes = 0

  /** The number, where this was its last byte. @throws VarintError */
  push(byte: number): number | undefined {
    this.#value += (byte & 0x7f) * 128 ** this.#bytes
    this.#bytes++
    if (byte >= 0x80) {
      if (this.#bytes === MAX_VARINT_BYTES) throw new VarintError('long', 'a number of over 35 bits')
      return undefined
    }
    if (this.#bytes > 1 && byte === 0) throw new VarintError('padded', 'a number that is not minimal')
    const value = this.#value
    this.#value = 0
    this.#bytes = 0
    return value
  }
}
