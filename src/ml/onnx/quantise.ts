/**
 * Dynamic int8 quantisation of a graph that is to be served: matrix products with stored weights, and convolutions
 * over time that are as heavy, become integer ones. Inputs are measured and rounded at each run (Jacob et al. 2018;
 * onnxruntime's DynamicQuantizeMatMul). Other convolutions, norms and embeddings stay as they are.
 */
import type { Graph, Node, Tensor } from '../graph/index.js'
import { convolutionOf, emitConvolution } from './quantise-convolution.js'
import { type Rounded, roundColumns, type StoredMatrix, storedBehind, storedValues } from './rounding.js'

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

/** Changes the graph in place. */
export function quantise(graph: Graph, options: QuantiseOptions = {}): QuantiseReport {
  const { least = LEAST, keep = () => false } = options
  const done = new Map<Tensor, Rounded>()
  const report = { weights: [] as string[], bytesBefore: 0, bytesAfter: 0 }
  const round = (weight: Tensor, layoutOf: (shape: readonly number[]) => Layout): Rounded | undefined => {
    const known = done.get(weight)
    if (known !== undefined) return known
    const matrix = storedMatrix(graph, weight, layoutOf)
    if (matrix === undefined || matrix.inner * matrix.outer < least || keep(matrix.name)) return undefined
    const rounded = roundColumns(graph, matrix)
    done.set(weight, rounded)
    report.weights.push(matrix.name)
    report.bytesBefore += matrix.storedBytes
    report.bytesAfter += matrix.values.length + 4 * matrix.outer
    return rounded
  }
  // What takes a node's place may be several, which stand where it stood: nodes are in an order that runs.
  for (const node of graph.nodes.splice(0)) {
    const product = productOf(node)
    const convolution = product === undefined ? convolutionOf(node) : undefined
    const rounded =
      product !== undefined
        ? round(product.weight, product.transposed ? columnsInRows : rows)
        : convolution && round(convolution.weight, tapsInFront)
    if (rounded === undefined) graph.nodes.push(node)
    else if (product !== undefined) replace(graph, node, product, rounded)
    else if (convolution !== undefined) emitConvolution(graph, node, convolution, rounded)
  }
  return report
}

type Layout = Pick<StoredMatrix, 'inner' | 'outer' | 'innerOffsets' | 'outerStride'>

/** [inner, outer]. */
const rows = ([inner = 0, outer = 0]: readonly number[]): Layout => ({
  inner,
  outer,
  innerOffsets: Int32Array.from({ length: inner }, (_, i) => i * outer),
  outerStride: 1,
})

/** [outer, inner]. */
const columnsInRows = ([outer = 0, inner = 0]: readonly number[]): Layout => ({
  inner,
  outer,
  innerOffsets: Int32Array.from({ length: inner }, (_, i) => i),
  outerStride: inner,
})

/** A convolution's [outer, channels, taps]; a frame's neighbours lie one behind the other, all channels of each. */
const tapsInFront = ([outer = 0, channels = 0, taps = 0]: readonly number[]): Layout => ({
  inner: channels * taps,
  outer,
  innerOffsets: Int32Array.from(
    { length: channels * taps },
    (_, i) => (i % channels) * taps + Math.floor(i / channels),
  ),
  outerStride: channels * taps,
})

interface Product {
  readonly weight: Tensor
  readonly transposed: boolean
  readonly scale: number
}

function replace(graph: Graph, node: Node, { scale }: Product, rounded: Rounded): void {
  const scales =
    scale === 1
      ? rounded.scales
      : graph.constant(
          rounded.steps.map((step) => step * scale),
          [rounded.steps.length],
        )
  const changed: Node = {
    op: 'DynamicQuantizeMatMul',
    domain: 'com.microsoft',
    name: `${node.name}.int8`,
    inputs: [node.inputs[0], rounded.weight, scales, undefined, node.inputs[2]],
    outputs: node.outputs,
    attributes: {},
  }
  graph.nodes.push(changed)
  for (const output of node.outputs) output.node = changed
}

/** How a node multiplies by its second operand; undefined for nodes that do not, or turn the first round. */
function productOf(node: Node): Product | undefined {
  const weight = node.inputs[1]
  if (weight?.rank !== 2) return undefined
  if (node.op === 'MatMul') return { weight, transposed: false, scale: 1 }
  if (node.op === 'Gemm') return { weight, transposed: true, scale: 1 }
  if (node.op !== 'FusedMatMul') return undefined
  const { transA, transB, alpha } = node.attributes
  if (transA?.kind !== 'int' || transA.value !== 0 || transB?.kind !== 'int' || alpha?.kind !== 'float')
    return undefined
  return { weight, transposed: transB.value === 1, scale: alpha.value }
}

/** A weight that is stored with the model (as float32, or in half precision behind a cast). */
function storedMatrix(
  graph: Graph,
  weight: Tensor,
  layoutOf: (shape: readonly number[]) => Layout,
): StoredMatrix | undefined {
  const initializer = storedBehind(graph, weight)
  if (initializer === undefined) return undefined
  const found = storedValues(initializer)
  if (found === undefined) return undefined
  const { tensor } = initializer
  return { name: tensor.name, ...layoutOf(tensor.shape.map(Number)), ...found }
}
