/** As much of the protobuf wire format (protobuf.dev/programming-guides/encoding) as model files need. */

export class ProtobufError extends Error {
  override readonly name = 'ProtobufError'
}

export interface ProtobufField {
  readonly number: number
  /** Varints and fixed numbers; for fixed32 the bits. */
  readonly value: number
  /** Length-delimited content; empty for numbers. */
  readonly bytes: Uint8Array
}

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5
const NOTHING = new Uint8Array(0)

/** Fields of one message, in order. @throws ProtobufError where the bytes are cut short or malformed */
export function* protobufFields(message: Uint8Array): Generator<ProtobufField> {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[at++]
      if (byte === undefined) throw new ProtobufError('cut short')
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new ProtobufError('a number is too long')
  }
  const take = (length: number): Uint8Array => {
    if (length > message.length - at) throw new ProtobufError('cut short')
    at += length
    return message.subarray(at - length, at)
  }
  while (at < message.length) {
    const key = varint()
    const number = Math.floor(key / 8)
    const type = key % 8
    if (type === VARINT) yield { number, value: varint(), bytes: NOTHING }
    else if (type === BYTES) yield { number, value: 0, bytes: take(varint()) }
    else if (type === FIXED32) {
      const bytes = take(4)
      yield { number, value: new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true), bytes }
    } else if (type === FIXED64) yield { number, value: 0, bytes: take(8) }
    else throw new ProtobufError(`unknown wire type ${type}`)
  }
}

/** The float behind the bits of a fixed32. */
export function floatOfBits(bits: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setUint32(0, bits)
  return view.getFloat32(0)
}
