/** Weights rounded to 8 bits, symmetrically, with a scale for each output. */
import { toFloat32Into } from '../files/convert.js'
import type { Graph, Initializer, Tensor } from '../graph/index.js'

/** A stored weight as the matrix [inner, outer] that rows are multiplied by, wherever its values lie. */
export interface StoredMatrix {
  readonly name: string
  readonly values: Float32Array
  readonly inner: number
  readonly outer: number
  /** Where each inner index's values begin; those of an outer index lie `outerStride` apart. */
  readonly innerOffsets: Int32Array
  readonly outerStride: number
  readonly storedBytes: number
}

export interface Rounded {
  /** int8 [inner, outer]. */
  readonly weight: Tensor
  /** float32 [outer]. */
  readonly scales: Tensor
  readonly steps: Float32Array
}

const GREATEST = 127
/** Outputs rounded together: their rows of a transposed weight are read while the places they go to are in the cache. */
const TOGETHER = 64

/** The initializer behind a weight: itself, or what is widened from half precision. */
export function storedBehind(graph: Graph, weight: Tensor): Initializer | undefined {
  const stored = weight.node?.op === 'Cast' ? weight.node.inputs[0] : weight
  return stored === undefined ? undefined : graph.initializers.get(stored)
}

/** Its values, where they are floats. */
export function storedValues({ tensor, source }: Initializer) {
  const data = source.kind === 'inline' ? source.data : source.load?.()
  if (data === undefined) return undefined
  if (data instanceof Float32Array) return { values: data, storedBytes: data.byteLength }
  const dtype = tensor.dtype === 'float16' ? 'F16' : tensor.dtype === 'bfloat16' ? 'BF16' : undefined
  if (dtype === undefined) return undefined
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const values = new Float32Array(data.byteLength / 2)
  toFloat32Into(dtype, bytes, values, 0)
  return { values, storedBytes: data.byteLength }
}

/**
 * Rounds a matrix. Processors without VNNI add the products of two neighbouring inputs in 16 bits and clip what does
 * not fit (vpmaddubsw), so 255 (w0 + w1) must stay below 32768: the scale is the least at which no two neighbours of
 * one sign add up to more than 128. Weights are a little coarser for it (a third, for a normal distribution), and every
 * processor computes the same.
 */
export function roundColumns(graph: Graph, matrix: StoredMatrix): Rounded {
  const { name, values, inner, outer, innerOffsets, outerStride } = matrix
  const steps = new Float32Array(outer)
  const rounded = new Int8Array(inner * outer)
  for (let from = 0; from < outer; from += TOGETHER) {
    const to = Math.min(outer, from + TOGETHER)
    for (let i = 0; i < inner; i += 2) {
      const offset = innerOffsets[i] as number
      const next = i + 1 < inner ? (innerOffsets[i + 1] as number) : -1
      for (let column = from; column < to; column++) {
        const first = values[offset + column * outerStride] as number
        const second = next < 0 ? 0 : (values[next + column * outerStride] as number)
        const size = Math.max(Math.abs(first), Math.abs(second), Math.abs(first + second))
        if (size > (steps[column] as number)) steps[column] = size
      }
    }
    // A column of zeros has any scale.
    for (let column = from; column < to; column++) steps[column] = (steps[column] as number) / GREATEST || 1
    for (let i = 0; i < inner; i++) {
      const offset = innerOffsets[i] as number
      for (let column = from; column < to; column++)
        rounded[i * outer + column] = Math.round(
          (values[offset + column * outerStride] as number) / (steps[column] as number),
        )
    }
  }
  return {
    weight: graph.initializer(`${name}.int8`, 'int8', [inner, outer], { kind: 'inline', data: rounded }),
    scales: graph.initializer(`${name}.int8.scale`, 'float32', [outer], { kind: 'inline', data: steps }),
    steps,
  }
}
