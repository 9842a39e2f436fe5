/**
 * Raw little-endian tensor bytes to numbers. Every conversion here is lossless or refused:
 *
 * | from | to float32 | to int64 |
 * |---|---|---|
 * | F32, F16, BF16, F8, I8, U8, I16, U16, BOOL | exact | integers exact; floats refused |
 * | F64, I32, U32, I64, U64 | exact where every value fits float32, else refused unless `rounding` | integers exact (U64 past 2^63 refused) |
 *
 * NaN payloads of narrow floats are kept. `rounding: true` is for weights saved in float64.
 */

import { endianness } from 'node:os'
import { type Dtype, dtypeBytes } from './dtype.js'
import {
  bitsOfFloat32,
  float8E4M3Table,
  float8E5M2Table,
  float16Table,
  narrowToBfloat16,
  narrowToFloat16,
} from './small-floats.js'

/** A value that the wanted type cannot hold; the readers turn it into a line that names file and tensor. */
export class LossyConversionError extends Error {
  override readonly name = 'LossyConversionError'
}

if (endianness() !== 'LE') throw new Error('tensor files are read on little-endian machines only')

/** `bytes` on a boundary of `size`: itself where it lies so already, else a copy. */
function aligned(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : bytes.slice()
}

/** The elements as a typed array over the same memory where alignment allows. I64 and U64 are bigints. */
export function typedView(
  dtype: Exclude<Dtype, 'F16' | 'BF16' | 'F8_E4M3' | 'F8_E5M2'>,
  bytes: Uint8Array,
):
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array {
  const size = dtypeBytes[dtype]
  const at = aligned(bytes, size)
  const range = [at.buffer, at.byteOffset, Math.floor(at.length / size)] as const
  switch (dtype) {
    case 'F64':
      return new Float64Array(...range)
    case 'F32':
      return new Float32Array(...range)
    case 'I64':
      return new BigInt64Array(...range)
    case 'U64':
      return new BigUint64Array(...range)
    case 'I32':
      return new Int32Array(...range)
    case 'U32':
      return new Uint32Array(...range)
    case 'I16':
      return new Int16Array(...range)
    case 'U16':
      return new Uint16Array(...range)
    case 'I8':
      return new Int8Array(...range)
    default:
      return new Uint8Array(...range)
  }
}

/**
 * Writes the elements of `bytes` into `target` as float32, from `offset` on.
 * @throws LossyConversionError where a value does not fit and `rounding` is not set.
 */
export function toFloat32Into(
  dtype: Dtype,
  bytes: Uint8Array,
  target: Float32Array,
  offset: number,
  rounding = false,
): void {
  const count = bytes.length / dtypeBytes[dtype]
  const bits = new Uint32Array(target.buffer, target.byteOffset + 4 * offset, count)
  switch (dtype) {
    case 'F16':
    case 'BF16': {
      const at = aligned(bytes, 2)
      const halves = new Uint16Array(at.buffer, at.byteOffset, count)
      const wide = dtype === 'F16' ? float16Table() : undefined
      for (let i = 0; i < count; i++) {
        const half = halves[i] ?? 0
        bits[i] = wide === undefined ? half << 16 : (wide[half] ?? 0)
      }
      return
    }
    case 'F8_E4M3':
    case 'F8_E5M2': {
      const wide = dtype === 'F8_E4M3' ? float8E4M3Table() : float8E5M2Table()
      for (let i = 0; i < count; i++) bits[i] = wide[bytes[i] ?? 0] ?? 0
      return
    }
    case 'F32':
      bits.set(typedView('U32', bytes) as Uint32Array)
      return
    default: {
      const source = typedView(dtype, bytes)
      for (let i = 0; i < count; i++) {
        const value = source[i] ?? 0
        const rounded = Math.fround(Number(value))
        if (!rounding && !Number.isNaN(rounded) && !isExact(value, rounded))
          throw new LossyConversionError(`${dtype} value ${value} has no exact float32`)
        target[offset + i] = rounded
      }
    }
  }
}

function isExact(value: number | bigint, rounded: number): boolean {
  return typeof value === 'bigint' ? BigInt(rounded) === value : rounded === value
}

/** Elements as 64-bit integers. @throws LossyConversionError for floats and for U64 past 2^63 - 1. */
export function toInt64(dtype: Dtype, bytes: Uint8Array): BigInt64Array {
  if (dtype === 'I64') return typedView(dtype, bytes) as BigInt64Array
  if (dtype.startsWith('F') || dtype === 'BF16')
    throw new LossyConversionError(`${dtype} elements are not integers`)
  const source = typedView(dtype as 'I32', bytes)
  return BigInt64Array.from(source as Iterable<number | bigint>, (value: number | bigint) => {
    const wide = BigInt(value)
    if (wide > 0x7fff_ffff_ffff_ffffn) throw new LossyConversionError(`U64 value ${wide} exceeds int64`)
    return wide
  })
}

/** float32 values as the bytes of `dtype`, rounded to nearest, ties to even. */
export function fromFloat32(values: Float32Array, dtype: 'F32' | 'F16' | 'BF16'): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const narrow = dtype === 'F16' ? narrowToFloat16 : narrowToBfloat16
  const out = Uint16Array.from(values, (value) => narrow(bitsOfFloat32(value)))
  return new Uint8Array(out.buffer)
}
