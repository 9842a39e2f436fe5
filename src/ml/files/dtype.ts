/**
 * Element types of checkpoint files, under the names of the safetensors format
 * (https://github.com/huggingface/safetensors#format), and the sizes of tensors.
 */

export const dtypeBytes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const

export type Dtype = keyof typeof dtypeBytes

export function isDtype(name: unknown): name is Dtype {
  return typeof name === 'string' && Object.hasOwn(dtypeBytes, name)
}

/** What a checkpoint says of one tensor. */
export interface TensorInfo {
  readonly name: string
  readonly dtype: Dtype
  /** Sizes, outermost first; empty for a scalar. */
  readonly shape: readonly number[]
}

/** More dimensions than any published model has, few enough to bound loops. */
const MAX_RANK = 32

/**
 * Number of elements of a shape, or undefined where the shape is malformed: negative or fractional sizes, more
 * than 32 dimensions, or a count past 2^53.
 */
export function elementCount(shape: readonly unknown[]): number | undefined {
  if (shape.length > MAX_RANK) return undefined
  let count = 1
  let isEmpty = false
  for (const size of shape) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined
    if (size === 0) isEmpty = true
    else count *= size
    if (!Number.isSafeInteger(count)) return undefined
  }
  return isEmpty ? 0 : count
}

/** Bytes of a tensor whose shape has been checked. @throws RangeError for a malformed shape. */
export function byteLength(info: Pick<TensorInfo, 'dtype' | 'shape'>): number {
  const count = elementCount(info.shape)
  if (count === undefined) throw new RangeError(`malformed shape [${info.shape.join(', ')}]`)
  return count * dtypeBytes[info.dtype]
}
