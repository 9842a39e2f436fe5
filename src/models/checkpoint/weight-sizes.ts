/** How much the weights of a checkpoint come to once a graph is made of them, told from its directory of tensors alone. */
import { byteLength, type Dtype, type TensorInfo } from '../../ml/files/dtype.js'

export interface WeightSizes {
  readonly numbers: number
  /** As they are stored. */
  readonly storedBytes: number
  /** Every weight as float32, which is what halves are computed with, too. */
  readonly float32Bytes: number
  /** Of matrices on eight bits, with a scale a column. */
  readonly roundedBytes: number
  /** As float32 of all others, which stay so on eight bits. */
  readonly exactBytes: number
  /** Numbers by their type in the file. */
  readonly types: Readonly<Partial<Record<Dtype, number>>>
}

/** Tables that are looked up in: they stay as they are. */
const LOOKED_UP = /embed|shared/

export function weightSizes(tensors: Iterable<TensorInfo>): WeightSizes {
  const types: Partial<Record<Dtype, number>> = {}
  const sizes = { numbers: 0, storedBytes: 0, float32Bytes: 0, roundedBytes: 0, exactBytes: 0 }
  for (const info of tensors) {
    const { name, dtype, shape } = info
    const count = shape.reduce((product, size) => product * size, 1)
    types[dtype] = (types[dtype] ?? 0) + count
    sizes.numbers += count
    sizes.storedBytes += byteLength(info)
    sizes.float32Bytes += 4 * count
    if (shape.length === 2 && !LOOKED_UP.test(name)) sizes.roundedBytes += count + 4 * (shape[0] ?? 0)
    else sizes.exactBytes += 4 * count
  }
  return { ...sizes, types }
}
