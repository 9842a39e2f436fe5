/** What a PyTorch pickle says about tensors: storages (flat memory outside the pickle) and views on them. */

import { type Dtype, dtypeBytes, elementCount } from '../dtype.js'
import { PickleError, PickleLeaf, type PickleValue } from '../pickle/values.js'

export class TorchStorage extends PickleLeaf {
  readonly kind = 'storage'
  /** Which memory; the container knows where it lies. */
  readonly key: string
  readonly dtype: Dtype
  /** Of the whole memory. */
  readonly bytes: number
  /** Where this storage begins in the memory (storage views of old files), in bytes. */
  readonly start: number

  constructor(key: string, dtype: Dtype, bytes: number, start = 0) {
    super()
    this.key = key
    this.dtype = dtype
    this.bytes = bytes
    this.start = start
  }
}

/** A strided view: element (i, j, ...) lies at offset + i stride[0] + j stride[1] + ... */
export class TorchTensor extends PickleLeaf {
  readonly kind = 'tensor'
  readonly storage: TorchStorage
  readonly dtype: Dtype
  /** In elements, as the strides. */
  readonly offset: number
  readonly shape: readonly number[]
  readonly stride: readonly number[]

  constructor(fields: Pick<TorchTensor, 'storage' | 'dtype' | 'offset' | 'shape' | 'stride'>) {
    super()
    this.storage = fields.storage
    this.dtype = fields.dtype
    this.offset = fields.offset
    this.shape = fields.shape
    this.stride = fields.stride
  }

  get isContiguous(): boolean {
    let expected = 1
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      const size = this.shape[axis] ?? 1
      if (size !== 1 && this.stride[axis] !== expected) return false
      expected *= size
    }
    return true
  }

  /** Elements from the first to one past the last that the view touches. */
  get extent(): number {
    if (this.shape.includes(0)) return 0
    return this.shape.reduce((sum, size, axis) => sum + (size - 1) * (this.stride[axis] ?? 0), 1)
  }
}

/** torch.dtype names, and the storage classes that imply one. */
export const torchDtypes: ReadonlyMap<string, Dtype> = new Map([
  ['float64', 'F64'],
  ['double', 'F64'],
  ['float32', 'F32'],
  ['float', 'F32'],
  ['float16', 'F16'],
  ['half', 'F16'],
  ['bfloat16', 'BF16'],
  ['float8_e4m3fn', 'F8_E4M3'],
  ['float8_e5m2', 'F8_E5M2'],
  ['int64', 'I64'],
  ['long', 'I64'],
  ['int32', 'I32'],
  ['int', 'I32'],
  ['int16', 'I16'],
  ['short', 'I16'],
  ['int8', 'I8'],
  ['uint64', 'U64'],
  ['uint32', 'U32'],
  ['uint16', 'U16'],
  ['uint8', 'U8'],
  ['bool', 'BOOL'],
])

export const torchStorageClasses: ReadonlyMap<string, Dtype> = new Map([
  ['DoubleStorage', 'F64'],
  ['FloatStorage', 'F32'],
  ['HalfStorage', 'F16'],
  ['BFloat16Storage', 'BF16'],
  ['LongStorage', 'I64'],
  ['IntStorage', 'I32'],
  ['ShortStorage', 'I16'],
  ['CharStorage', 'I8'],
  ['ByteStorage', 'U8'],
  ['BoolStorage', 'BOOL'],
])

/** An expanded view (stride 0) may have more elements than its storage, but no memory bomb comes of it. */
const MAX_EXPANDED_ELEMENTS = 1 << 20

/** Checks the arguments of `_rebuild_tensor_v2` and makes the view. @throws PickleError */
export function makeTensor(
  storage: PickleValue | undefined,
  offset: PickleValue | undefined,
  shape: PickleValue | undefined,
  stride: PickleValue | undefined,
  dtype?: Dtype,
): TorchTensor {
  if (!(storage instanceof TorchStorage)) throw new PickleError('a tensor has no storage')
  const fields = {
    storage,
    dtype: dtype ?? storage.dtype,
    offset: naturals([offset])[0] ?? 0,
    shape: naturals(shape),
    stride: naturals(stride),
  }
  const count = elementCount(fields.shape)
  if (count === undefined || fields.shape.length !== fields.stride.length)
    throw new PickleError('a tensor has a malformed shape')
  const tensor = new TorchTensor(fields)
  const size = dtypeBytes[tensor.dtype]
  const end = storage.start + (tensor.offset + tensor.extent) * size
  if (!Number.isSafeInteger(end) || (count > 0 && end > storage.bytes))
    throw new PickleError('a tensor reaches past its storage')
  if (count * size > storage.bytes && count > MAX_EXPANDED_ELEMENTS)
    throw new PickleError('a tensor repeats its storage too often')
  return tensor
}

function naturals(values: PickleValue | readonly (PickleValue | undefined)[] | undefined): number[] {
  const isNatural = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
  if (!Array.isArray(values) || !values.every(isNatural))
    throw new PickleError('a tensor has a malformed size, stride or offset')
  // A copy: the pickle could still append to a list of its own.
  return [...values]
}
