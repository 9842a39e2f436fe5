/**
 * Convolutions over time on 8-bit integers: frames one behind the other (channels last), rounded once, each beside its
 * neighbours that the kernel sees, as one matrix product (im2col). The rounded copies are a quarter of the size.
 */
import type { Dim, Graph, Node, Shape, Tensor } from '../graph/index.js'
import { int, ints } from '../graph/tensor.js'
import type { Rounded } from './rounding.js'

export interface TimeConvolution {
  readonly x: Tensor
  readonly weight: Tensor
  readonly bias: Tensor | undefined
  readonly channels: number
  readonly taps: number
  readonly stride: number
}

/** With fewer channels there is little to multiply, and raw sound is too fine for 8 bits. */
const LEAST_CHANNELS = 16
/** An end for a slice that goes to the end. */
const TO_THE_END = Number.MAX_SAFE_INTEGER

/** Element by element, so that it may as well be done with channels last. */
const ELEMENTWISE = new Set(['Gelu', 'Relu', 'LeakyRelu', 'Sigmoid', 'Tanh', 'Softplus'])

/** One axis of time, all channels together, nothing padded; undefined for any other node. */
export function convolutionOf({ op, inputs, attributes }: Node): TimeConvolution | undefined {
  const [x, weight, bias] = inputs
  if (op !== 'Conv' || x?.rank !== 3 || weight === undefined) return undefined
  const { strides, dilations, pads, group } = attributes
  if (strides?.kind !== 'ints' || dilations?.kind !== 'ints' || pads?.kind !== 'ints') return undefined
  if (group?.kind !== 'int' || group.value !== 1) return undefined
  if (dilations.value.some((value) => value !== 1) || pads.value.some((value) => value !== 0))
    return undefined
  const [, channels = 0, taps = 0] = weight.shape.map(Number)
  if (channels < LEAST_CHANNELS) return undefined
  return { x, weight, bias, channels, taps, stride: strides.value[0] ?? 1 }
}

/** Adds nodes that compute what `node` did, under its output. */
export function emitConvolution(
  graph: Graph,
  node: Node,
  { x, bias, channels, taps, stride }: TimeConvolution,
  { weight, scales }: Rounded,
): void {
  const frames = channelsLast(x)
  const [batch = 1, , time = 1] = node.outputs[0]?.shape ?? []
  const outer: Dim = weight.shape[1] ?? 1
  const [values, scale, zero] = graph.emit(
    'DynamicQuantizeLinear',
    [frames],
    [
      { dtype: 'uint8', shape: frames.shape },
      { dtype: 'float32', shape: [] },
      { dtype: 'uint8', shape: [] },
    ],
  )
  if (values === undefined) throw new Error('DynamicQuantizeLinear made nothing')
  const windows = beside(values, [batch, time, channels], taps, stride)
  const product = graph.emitOne(
    'MatMulIntegerToFloat',
    [windows, weight, scale, scales, zero, undefined, bias],
    { dtype: 'float32', shape: [batch, time, outer] },
    {},
    'com.microsoft',
  )
  const turned: Node = {
    op: 'Transpose',
    domain: '',
    name: `${node.name}.int8`,
    inputs: [product],
    outputs: node.outputs,
    attributes: { perm: ints([0, 2, 1]) },
  }
  graph.nodes.push(turned)
  for (const output of node.outputs) output.node = turned
}

/** The neighbours that a kernel sees, side by side. @param x [batch, frames, channels]. @returns [batch, time, taps * channels]. */
function beside(x: Tensor, shape: Shape, taps: number, stride: number): Tensor {
  const { graph, dtype } = x
  const slices = Array.from({ length: taps }, (_, tap) => {
    // The last neighbour of the last window is the last frame that counts; the others end as much before it.
    const end = tap === taps - 1 ? TO_THE_END : tap + 1 - taps
    const bounds = [tap, end, 1, stride].map((value) => graph.indices([value]))
    return graph.emitOne('Slice', [x, ...bounds], { dtype, shape })
  })
  const [only] = slices
  if (slices.length === 1 && only !== undefined) return only
  const [batch = 1, time = 1, channels = 1] = shape
  return graph.emitOne(
    'Concat',
    slices,
    { dtype, shape: [batch, time, Number(channels) * taps] },
    { axis: int(2) },
  )
}

/** [batch, channels, frames] -> [batch, frames, channels], through what was only turned for the convolution's sake. */
function channelsLast(x: Tensor): Tensor {
  const { node, graph, dtype } = x
  const [source] = node?.inputs ?? []
  const [batch = 1, channels = 1, frames = 1] = x.shape
  const shape = [batch, frames, channels]
  if (node?.op === 'Transpose' && source !== undefined) {
    const { perm } = node.attributes
    if (perm?.kind === 'ints' && perm.value.join() === '0,2,1') return source
  }
  if (node !== undefined && source !== undefined && ELEMENTWISE.has(node.op)) {
    const before = source.node?.op
    if (before === 'Transpose')
      return graph.emitOne(node.op, [channelsLast(source)], { dtype, shape }, node.attributes, node.domain)
  }
  return graph.emitOne('Transpose', [x], { dtype, shape }, { perm: ints([0, 2, 1]) })
}
