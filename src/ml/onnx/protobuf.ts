/** The part of the protocol buffers wire format that ONNX files need: varints, bytes, packed lists, floats. */

const VARINT = 0
const LENGTH = 2
const FIXED32 = 5
const encoder = new TextEncoder()

/** Writes one message; fields appear in the order they are written. Big byte fields are kept, not copied. */
export class MessageWriter {
  readonly #chunks: Uint8Array[] = []
  #buffer = new Uint8Array(256)
  #used = 0
  #flushed = 0

  get byteLength(): number {
    return this.#flushed + this.#used
  }

  /** An integer; negative ones take ten bytes, as int64 does. */
  integer(field: number, value: number): this {
    this.#tag(field, VARINT)
    this.#varint(value)
    return this
  }

  float(field: number, value: number): this {
    this.#tag(field, FIXED32)
    this.#reserve(4)
    new DataView(this.#buffer.buffer).setFloat32(this.#used, value, true)
    this.#used += 4
    return this
  }

  text(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value))
  }

  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, LENGTH)
    this.#varint(value.byteLength)
    this.#append(value)
    return this
  }

  message(field: number, message: MessageWriter): this {
    this.#tag(field, LENGTH)
    this.#varint(message.byteLength)
    for (const chunk of message.chunks()) this.#append(chunk)
    return this
  }

  integers(field: number, values: readonly number[]): this {
    for (const value of values) this.integer(field, value)
    return this
  }

  /** The message in pieces, in order. */
  chunks(): readonly Uint8Array[] {
    this.#flush()
    return this.#chunks
  }

  finish(): Uint8Array {
    const whole = new Uint8Array(this.byteLength)
    let at = 0
    for (const chunk of this.chunks()) {
      whole.set(chunk, at)
      at += chunk.byteLength
    }
    return whole
  }

  #tag(field: number, wire: number): void {
    this.#varint(field * 8 + wire)
  }

  #varint(value: number): void {
    this.#reserve(10)
    if (value < 0) {
      let rest = BigInt.asUintN(64, BigInt(value))
      while (rest > 0x7fn) {
        this.#buffer[this.#used++] = Number(rest & 0x7fn) | 0x80
        rest >>= 7n
      }
      this.#buffer[this.#used++] = Number(rest)
      return
    }
    let rest = value
    while (rest > 0x7f) {
      this.#buffer[this.#used++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#used++] = rest
  }

  #append(value: Uint8Array): void {
    if (value.byteLength > 64) {
      this.#flush()
      this.#chunks.push(value)
      this.#flushed += value.byteLength
      return
    }
    this.#reserve(value.byteLength)
    this.#buffer.set(value, this.#used)
    this.#used += value.byteLength
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.byteLength) return
    this.#flush()
    this.#buffer = new Uint8Array(Math.max(256, bytes))
  }

  #flush(): void {
    if (this.#used === 0) return
    this.#chunks.push(this.#buffer.slice(0, this.#used))
    this.#flushed += this.#used
    this.#used = 0
  }
}
