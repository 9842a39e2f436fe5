/** Gradients of rearrangements: each puts the gradient back where the values came from. */
import {
  concat,
  type Dim,
  full,
  gatherElements,
  type Node,
  pad,
  reshape,
  ShapeError,
  scatterAdd,
  slice,
  split,
  staticDimAt,
  staticShape,
  subtractDims,
  sumRowsAt,
  type Tensor,
  transpose,
} from '../graph/index.js'
import {
  arrived,
  constantInts,
  intOf,
  intsOf,
  operand,
  type Rule,
  result,
  single,
  sumToShape,
} from './rule.js'

const backToShape: Rule = single((node, gradient) => reshape(gradient, operand(node, 0).shape))

/** Zeros between the entries of an axis, then around them, so that a strided slice comes back to its size. */
function unslice(node: Node, gradient: Tensor): Tensor {
  const x = operand(node, 0)
  const [start = 0] = constantInts(node, 1)
  const [axis = 0] = constantInts(node, 3)
  const [step = 1] = constantInts(node, 4)
  const whole: Dim = x.shape[axis] ?? 1
  let wide = gradient
  if (step !== 1) {
    const count = staticDimAt('slice gradient', gradient.shape, axis)
    const shape = staticShape('slice gradient', gradient.shape)
    const lone = reshape(gradient, [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)])
    const spaced = pad(lone, [{ axis: axis + 1, before: 0, after: step - 1 }])
    wide = reshape(spaced, [...shape.slice(0, axis), count * step, ...shape.slice(axis + 1)])
  }
  const after = subtractDims(whole, wide.shape[axis] ?? 1)
  if (typeof after === 'string')
    throw new ShapeError('slice gradient', [x.shape, gradient.shape], 'the sizes left over are not known')
  return pad(wide, [{ axis, before: start, after: after - start }])
}

function pieces(node: Node, gradient: Tensor): readonly Tensor[] {
  const axis = intOf(node, 'axis')
  const parts = node.inputs.map((_, i) => operand(node, i))
  if (parts.every((part) => typeof part.shape[axis] === 'number'))
    return split(
      gradient,
      parts.map((part) => staticDimAt('concat', part.shape, axis)),
      axis,
    )
  // Along a symbolic axis: only pieces in front of it, and itself, have known places.
  let start: Dim = 0
  return parts.map((part) => {
    if (typeof start === 'string')
      throw new ShapeError('concat gradient', [gradient.shape], 'a piece starts at an unknown place')
    const size: Dim = part.shape[axis] ?? 1
    const end: Dim = typeof size === 'number' ? start + size : subtractDims(gradient.shape[axis] ?? 1, 0)
    const piece = slice(gradient, axis, start, end)
    start = typeof size === 'number' ? start + size : size
    return piece
  })
}

export const layoutRules: Readonly<Record<string, Rule>> = {
  Reshape: backToShape,
  Unsqueeze: backToShape,
  Squeeze: backToShape,
  Transpose: single((node, gradient) => {
    const order = intsOf(node, 'perm')
    return transpose(
      gradient,
      order.map((_, i) => order.indexOf(i)),
    )
  }),
  Expand: single((node, gradient) => sumToShape(gradient, operand(node, 0).shape)),
  Concat: (node, gradients) => pieces(node, arrived(node, gradients)),
  Split: (node, gradients) => {
    const parts = gradients.map((gradient, i) => {
      const output = result(node, i)
      return gradient ?? full(output, output.shape, 0)
    })
    return [concat(parts, intOf(node, 'axis'))]
  },
  Slice: single(unslice),
  Pad: single((node, gradient) => {
    const x = operand(node, 0)
    const amounts = constantInts(node, 1)
    return pad(
      gradient,
      x.shape.map((_, axis) => ({
        axis,
        before: -(amounts[axis] ?? 0),
        after: -(amounts[axis + x.rank] ?? 0),
      })),
    )
  }),
  Gather: single((node, gradient) => {
    const x = operand(node, 0)
    const indices = operand(node, 1)
    const axis = intOf(node, 'axis')
    const shape = staticShape('gather gradient', x.shape)
    const width = shape.reduce((product, size, i) => (i === axis ? product : product * size), 1)
    // The indexed axes to the front, everything else to rows.
    const front = Array.from({ length: indices.rank }, (_, i) => axis + i)
    const rest = gradient.shape.map((_, i) => i).filter((i) => !front.includes(i))
    const count = reshape(indices, [indices.shape.reduce<number>((n, d) => n * Number(d), 1)])
    const rows = reshape(transpose(gradient, [...front, ...rest]), [count.shape[0] ?? 0, width])
    const table = sumRowsAt(rows, count, shape[axis] ?? 0)
    const others = shape.filter((_, i) => i !== axis)
    const back = shape.map((_, i) => (i === axis ? 0 : i < axis ? i + 1 : i))
    return transpose(reshape(table, [shape[axis] ?? 0, ...others]), back)
  }),
  GatherElements: single((node, gradient) => {
    const x = operand(node, 0)
    return scatterAdd(full(x, x.shape, 0), operand(node, 1), gradient, intOf(node, 'axis'))
  }),
  ScatterElements: (node, gradients) => {
    const gradient = arrived(node, gradients)
    return [gradient, undefined, gatherElements(gradient, operand(node, 1), intOf(node, 'axis'))]
  },
  ArgMax: () => [],
  TopK: (node, gradients) => {
    const x = operand(node, 0)
    const [gradient] = gradients
    if (gradient === undefined) return []
    return [scatterAdd(full(x, x.shape, 0), result(node, 1), gradient, x.rank - 1)]
  },
}
