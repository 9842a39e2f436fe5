/**
 * Base58 with the Bitcoin alphabet, as libp2p prints peer ids (multibase `base58btc` without its prefix).
 * Quadratic in the length, so inputs are bounded to what a peer id needs.
 */
import { UserError } from '../errors.js'

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const VALUES: ReadonlyMap<string, number> = new Map([...ALPHABET].map((letter, value) => [letter, value]))
/** A secp256k1 peer id has 39 bytes and 53 letters; an RSA one 34 and 46. 128 leaves room and stays cheap. */
const MAX_LENGTH = 128

/** @throws RangeError for more than {@link MAX_LENGTH} bytes (a bug: callers encode fixed-size keys). */
export function encodeBase58(bytes: Uint8Array): string {
  if (bytes.length > MAX_LENGTH) throw new RangeError(`base58: ${bytes.length} bytes, at most ${MAX_LENGTH}`)
  let number = 0n
  for (const byte of bytes) number = number * 256n + BigInt(byte)
  let text = ''
  while (number > 0n) {
    text = ALPHABET.charAt(Number(number % 58n)) + text
    number /= 58n
  }
  let zeros = 0
  while (zeros < bytes.length && bytes[zeros] === 0) zeros++
  return '1'.repeat(zeros) + text
}

/** @throws UserError BAD_ARGUMENT for a foreign letter or an over-long text. */
export function decodeBase58(text: string): Uint8Array {
  if (text.length > MAX_LENGTH)
    throw new UserError(`base58 text of ${text.length} letters, at most ${MAX_LENGTH}`, {
      code: 'BAD_ARGUMENT',
    })
  let number = 0n
  for (const letter of text) {
    const value = VALUES.get(letter)
    if (value === undefined) throw new UserError(`"${letter}" is no base58 letter`, { code: 'BAD_ARGUMENT' })
    number = number * 58n + BigInt(value)
  }
  const tail: number[] = []
  while (number > 0n) {
    tail.push(Number(number & 255n))
    number >>= 8n
  }
  let zeros = 0
  while (zeros < text.length && text[zeros] === '1') zeros++
  return Uint8Array.from([...new Array<number>(zeros).fill(0), ...tail.reverse()])
}
