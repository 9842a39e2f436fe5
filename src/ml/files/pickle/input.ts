/** The bytes of a pickle, fetched in windows, with the bounds that keep a hostile one small. */

import { PickleError } from './values.js'

/** State dicts of the largest models have some MiB of pickle; tensors lie outside it. */
const MAX_PICKLE_BYTES = 128 << 20
const WINDOW_BYTES = 64 << 10
/** Text lines (protocol 0) are numbers, names and short strings. */
const MAX_LINE_BYTES = 1 << 20

export class PickleInput {
  readonly #fetch: (position: number, length: number) => Uint8Array
  readonly #end: number
  #window = new Uint8Array(0)
  #windowStart: number
  #position: number
  #consumed = 0

  /** @param fetch returns exactly the bytes asked for; only called for ranges in [start, end) */
  constructor(fetch: (position: number, length: number) => Uint8Array, start: number, end: number) {
    this.#fetch = fetch
    this.#position = start
    this.#windowStart = start
    this.#end = end
  }

  static fromBytes(bytes: Uint8Array): PickleInput {
    return new PickleInput((position, length) => bytes.subarray(position, position + length), 0, bytes.length)
  }

  /** Of the next byte. */
  get position(): number {
    return this.#position
  }

  byte(): number {
    const inWindow = this.#window[this.#position - this.#windowStart]
    if (inWindow === undefined) return this.bytes(1)[0] ?? 0
    this.#position++
    this.#consumed++
    return inWindow
  }

  /** The next `length` bytes: a view that may share memory with the input. */
  bytes(length: number): Uint8Array {
    if (length > this.#end - this.#position) throw new PickleError('it is cut short')
    this.#consumed += length
    if (this.#consumed > MAX_PICKLE_BYTES)
      throw new PickleError(`it is longer than ${MAX_PICKLE_BYTES} bytes`)
    if (this.#position + length > this.#windowStart + this.#window.length) {
      const want = Math.min(Math.max(length, WINDOW_BYTES), this.#end - this.#position)
      this.#window = Uint8Array.from(this.#fetch(this.#position, want))
      this.#windowStart = this.#position
    }
    const from = this.#position - this.#windowStart
    this.#position += length
    return this.#window.subarray(from, from + length)
  }

  uint(byteCount: 1 | 2 | 4): number {
    return this.bytes(byteCount).reduceRight((sum, byte) => sum * 256 + byte, 0)
  }

  /** A 64-bit length. */
  length8(): number {
    const low = this.uint(4)
    const high = this.uint(4)
    if (high !== 0) throw new PickleError('it is cut short')
    return low
  }

  int32(): number {
    return this.uint(4) | 0
  }

  /** Big-endian float64. */
  double(): number {
    const bytes = this.bytes(8)
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0)
  }

  /** Bytes up to a newline, which is consumed. */
  line(): Uint8Array {
    const line: number[] = []
    for (let byte = this.byte(); byte !== 0x0a; byte = this.byte()) {
      if (line.length >= MAX_LINE_BYTES) throw new PickleError('a line is too long')
      line.push(byte)
    }
    return Uint8Array.from(line)
  }
}
