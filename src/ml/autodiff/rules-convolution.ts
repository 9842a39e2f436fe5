/**
 * Gradients of convolutions. With respect to the input, a convolution's is the transposed convolution and the other
 * way round; with respect to the weight it is a convolution in which batch and channels change places and stride and
 * dilation do too (Dumoulin and Visin 2016, chapter 4).
 */
import {
  type ConvOptions,
  conv,
  convTranspose,
  gather,
  type Node,
  pad,
  reshape,
  ShapeError,
  staticShape,
  sum,
  type Tensor,
  transpose,
} from '../graph/index.js'
import { arrived, intOf, intsOf, operand, type Rule } from './rule.js'

interface Spec {
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly padding: readonly (readonly [number, number])[]
  readonly groups: number
}

function specOf(node: Node): Spec & ConvOptions {
  const stride = intsOf(node, 'strides')
  const pads = intsOf(node, 'pads')
  return {
    stride,
    dilation: intsOf(node, 'dilations'),
    padding: stride.map((_, i) => [pads[i] ?? 0, pads[i + stride.length] ?? 0] as const),
    groups: intOf(node, 'group'),
  }
}

/**
 * The weight's gradient of y = conv(x, w).
 * @param x [n, in, ...space]. @param gradient [n, out, ...space']. @returns `shape`: [out, in / groups, ...kernel].
 */
function weightGradient(x: Tensor, gradient: Tensor, shape: readonly number[], spec: Spec): Tensor {
  const { groups } = spec
  const [batch = 1, channels = 1, ...space] = staticShape('conv gradient', x.shape)
  const [, , ...outSpace] = staticShape('conv gradient', gradient.shape)
  const per = channels / groups
  const axes = space.map((_, i) => i)
  // x: [n, groups, in/groups, ...] -> [in/groups, groups * n, ...]; gradient: [n, out, ...] -> [out, n, ...].
  const grouped = reshape(x, [batch, groups, per, ...space])
  const order = [2, 1, 0, ...axes.map((i) => i + 3)]
  const input = reshape(transpose(grouped, order), [per, groups * batch, ...space])
  const kernel = transpose(gradient, [1, 0, ...axes.map((i) => i + 2)])
  const wanted = shape.slice(2)
  // The correlation must come out at the kernel's size: the tail that the stride never reached is padded or cut off.
  const trims = axes.map((i) => {
    const [before] = spec.padding[i] ?? [0, 0]
    const reach =
      (spec.stride[i] ?? 1) * ((outSpace[i] ?? 1) - 1) + (spec.dilation[i] ?? 1) * ((wanted[i] ?? 1) - 1)
    return { before, after: reach + 1 - (space[i] ?? 1) - before }
  })
  // A negative pad is a cut; the kernel takes only pads that are not negative.
  const cut = pad(
    input,
    trims.map(({ after }, i) => ({ axis: i + 2, before: 0, after: Math.min(after, 0) })),
  )
  const correlation = conv(cut, kernel, undefined, {
    stride: spec.dilation,
    dilation: spec.stride,
    padding: trims.map(({ before, after }) => [before, Math.max(after, 0)] as const),
    groups,
  })
  // [in/groups, out, ...kernel] -> [out, in/groups, ...kernel].
  const result = transpose(correlation, [1, 0, ...axes.map((i) => i + 2)])
  if (result.shape.some((dim, i) => dim !== shape[i]))
    throw new ShapeError('conv gradient', [result.shape, shape], 'the weight has another shape')
  return result
}

/**
 * Without a stride the input's gradient is a convolution too, with the kernel turned round: many times faster than
 * the transposed one for a depthwise layer. Undefined where there is a stride, or more padding than kernel.
 */
function inputGradientByConvolution(gradient: Tensor, weight: Tensor, spec: Spec): Tensor | undefined {
  const [out = 1, per = 1, ...kernel] = staticShape('conv gradient', weight.shape)
  const { groups } = spec
  const padding = kernel.map((size, i): readonly [number, number] => {
    const reach = (spec.dilation[i] ?? 1) * (size - 1)
    const [before, after] = spec.padding[i] ?? [0, 0]
    return [reach - before, reach - after]
  })
  if (spec.stride.some((stride) => stride !== 1) || padding.flat().some((size) => size < 0)) return undefined
  let turned = weight
  kernel.forEach((size, i) => {
    const backwards = Array.from({ length: size }, (_, k) => size - 1 - k)
    turned = gather(turned, weight.graph.indices(backwards), i + 2)
  })
  // [out, in/groups, ...] -> [in, out/groups, ...], each group by itself.
  const axes = kernel.map((_, i) => i + 3)
  const grouped = transpose(reshape(turned, [groups, out / groups, per, ...kernel]), [0, 2, 1, ...axes])
  const exchanged = reshape(grouped, [groups * per, out / groups, ...kernel])
  return conv(gradient, exchanged, undefined, { dilation: spec.dilation, padding, groups })
}

const biasGradient = (node: Node, gradient: Tensor): Tensor | undefined =>
  node.inputs[2] === undefined
    ? undefined
    : sum(gradient, { axes: gradient.shape.map((_, i) => i).filter((i) => i !== 1) })

export const convolutionRules: Readonly<Record<string, Rule>> = {
  Conv: (node, gradients) => {
    const gradient = arrived(node, gradients)
    const x = operand(node, 0)
    const weight = operand(node, 1)
    const spec = specOf(node)
    const kernel = staticShape('conv gradient', weight.shape)
    const space = staticShape('conv gradient', x.shape).slice(2)
    const outSpace = staticShape('conv gradient', gradient.shape).slice(2)
    // What the stride left over at the far end of the input.
    const outputPadding = space.map((size, i) => {
      const [before, after] = spec.padding[i] ?? [0, 0]
      const covered =
        ((outSpace[i] ?? 1) - 1) * (spec.stride[i] ?? 1) +
        (spec.dilation[i] ?? 1) * ((kernel[i + 2] ?? 1) - 1) +
        1
      return size + before + after - covered
    })
    const toInput =
      inputGradientByConvolution(gradient, weight, spec) ??
      convTranspose(gradient, weight, undefined, { ...spec, outputPadding })
    return [toInput, weightGradient(x, gradient, kernel, spec), biasGradient(node, gradient)]
  },
  ConvTranspose: (node, gradients) => {
    const gradient = arrived(node, gradients)
    const x = operand(node, 0)
    const weight = operand(node, 1)
    const spec = specOf(node)
    return [
      conv(gradient, weight, undefined, spec),
      weightGradient(gradient, x, staticShape('convTranspose gradient', weight.shape), spec),
      biasGradient(node, gradient),
    ]
  },
}
