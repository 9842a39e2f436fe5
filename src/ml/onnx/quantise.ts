/**
 * Dynamic int8 quantisation of a graph that is to be served: matrix products with stored weights become integer ones.
 * Weights are rounded to 8 bits, symmetrically, with a scale for each output; inputs are measured and rounded at each
 * run (Jacob et al. 2018; onnxruntime's DynamicQuantizeMatMul). Convolutions, norms and embeddings stay as they are.
 */
import { toFloat32Into } from '../files/convert.js'
import type { Graph, Initializer, Node, Tensor } from '../graph/index.js'

export interface QuantiseOptions {
  /** Weights with fewer elements stay: they cost nothing and lose accuracy. */
  readonly least?: number
  /** Weights that stay, by name: output heads, adapters that are swapped. */
  readonly keep?: (name: string) => boolean
}

export interface QuantiseReport {
  /** Names of the weights that were rounded. */
  readonly weights: readonly string[]
  readonly bytesBefore: number
  readonly bytesAfter: number
}

const LEAST = 4096
const GREATEST = 127

interface StoredMatrix {
  readonly name: string
  /** In row-major order: [inner, outer], or [outer, inner] where it is used transposed. */
  readonly values: Float32Array
  readonly transposed: boolean
  readonly inner: number
  readonly outer: number
  readonly storedBytes: number
}

/** Changes the graph in place. */
export function quantise(graph: Graph, options: QuantiseOptions = {}): QuantiseReport {
  const { least = LEAST, keep = () => false } = options
  const done = new Map<Tensor, Quantised>()
  const report = { weights: [] as string[], bytesBefore: 0, bytesAfter: 0 }
  graph.nodes.forEach((node, i) => {
    const product = productOf(node)
    const weight = node.inputs[1]
    if (product === undefined || weight === undefined || weight.rank !== 2) return
    let quantised = done.get(weight)
    if (quantised === undefined) {
      const matrix = storedMatrix(graph, weight, product.transposed, least, keep)
      if (matrix === undefined) return
      quantised = roundColumns(graph, matrix)
      done.set(weight, quantised)
      report.weights.push(matrix.name)
      report.bytesBefore += matrix.storedBytes
      report.bytesAfter += matrix.values.length + 4 * matrix.outer
    }
    const { scale } = product
    const scales =
      scale === 1
        ? quantised.scales
        : graph.constant(
            quantised.steps.map((step) => step * scale),
            [quantised.steps.length],
          )
    const changed: Node = {
      op: 'DynamicQuantizeMatMul',
      domain: 'com.microsoft',
      name: `${node.name}.int8`,
      inputs: [node.inputs[0], quantised.weight, scales, undefined, node.inputs[2]],
      outputs: node.outputs,
      attributes: {},
    }
    graph.nodes[i] = changed
    for (const output of node.outputs) output.node = changed
  })
  return report
}

interface Quantised {
  readonly weight: Tensor
  readonly scales: Tensor
  readonly steps: Float32Array
}

/** How a node multiplies by its second operand; undefined for nodes that do not, or turn the first round. */
function productOf(node: Node): { readonly transposed: boolean; readonly scale: number } | undefined {
  if (node.op === 'MatMul') return { transposed: false, scale: 1 }
  if (node.op === 'Gemm') return { transposed: true, scale: 1 }
  if (node.op !== 'FusedMatMul') return undefined
  const { transA, transB, alpha } = node.attributes
  if (transA?.kind !== 'int' || transA.value !== 0 || transB?.kind !== 'int' || alpha?.kind !== 'float')
    return undefined
  return { transposed: transB.value === 1, scale: alpha.value }
}

/** A weight's values, where it is stored with the model (as float32, or in half precision behind a cast). */
function storedMatrix(
  graph: Graph,
  weight: Tensor,
  transposed: boolean,
  least: number,
  keep: (name: string) => boolean,
): StoredMatrix | undefined {
  const stored = weight.node?.op === 'Cast' ? weight.node.inputs[0] : weight
  const initializer = stored === undefined ? undefined : graph.initializers.get(stored)
  if (stored === undefined || initializer === undefined || keep(stored.name)) return undefined
  const [rows = 0, columns = 0] = stored.shape.map(Number)
  if (rows * columns < least) return undefined
  const found = valuesOf(initializer)
  if (found === undefined) return undefined
  const { values, storedBytes } = found
  const [inner, outer] = transposed ? [columns, rows] : [rows, columns]
  return { name: stored.name, values, transposed, inner, outer, storedBytes }
}

function valuesOf({ tensor, source }: Initializer) {
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

/** Outputs rounded together: their rows of a transposed weight are read while the places they go to are in the cache. */
const TOGETHER = 64

function roundColumns(graph: Graph, matrix: StoredMatrix): Quantised {
  const { name, values, transposed, inner, outer } = matrix
  const [outerStride, innerStride] = transposed ? [inner, 1] : [1, outer]
  const steps = new Float32Array(outer)
  for (let row = 0, i = 0; row < values.length / (transposed ? inner : outer); row++)
    for (let column = 0; column < (transposed ? inner : outer); column++, i++) {
      const place = transposed ? row : column
      const size = Math.abs(values[i] as number)
      if (size > (steps[place] as number)) steps[place] = size
    }
  // A column of zeros has any scale.
  for (let column = 0; column < outer; column++) steps[column] = (steps[column] as number) / GREATEST || 1
  const rounded = new Int8Array(values.length)
  for (let from = 0; from < outer; from += TOGETHER) {
    const to = Math.min(outer, from + TOGETHER)
    for (let i = 0; i < inner; i++)
      for (let column = from; column < to; column++)
        rounded[i * outer + column] = Math.round(
          (values[column * outerStride + i * innerStride] as number) / (steps[column] as number),
        )
  }
  return {
    weight: graph.initializer(`${name}.int8`, 'int8', [inner, outer], { kind: 'inline', data: rounded }),
    scales: graph.initializer(`${name}.int8.scale`, 'float32', [outer], { kind: 'inline', data: steps }),
    steps,
  }
}
