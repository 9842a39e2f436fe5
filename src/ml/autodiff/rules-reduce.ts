/** Gradients of sums, means and extremes over axes. */
import {
  cast,
  cumulativeSum,
  div,
  equal,
  exp,
  expand,
  mul,
  type Node,
  reshape,
  type Shape,
  ShapeError,
  sub,
  sum,
  type Tensor,
} from '../graph/index.js'
import { constantInts, intOf, operand, type Rule, result, single } from './rule.js'

function keptShape(node: Node): { readonly shape: Shape; readonly axes: readonly number[] } {
  const axes = constantInts(node, 1)
  return { shape: operand(node, 0).shape.map((dim, i) => (axes.includes(i) ? 1 : dim)), axes }
}

/** The gradient (or the reduced value) with its lost axes back, of size 1. */
const kept = (node: Node, tensor: Tensor): Tensor => reshape(tensor, keptShape(node).shape)

export const reduceRules: Readonly<Record<string, Rule>> = {
  ReduceSum: single((node, gradient) => expand(kept(node, gradient), operand(node, 0).shape)),
  ReduceMean: single((node, gradient) => {
    const x = operand(node, 0)
    const count = keptShape(node).axes.reduce((product, axis) => {
      const size = x.shape[axis]
      if (typeof size !== 'number')
        throw new ShapeError('mean gradient', [x.shape], `needs a size for ${size}`)
      return product * size
    }, 1)
    return expand(mul(kept(node, gradient), 1 / count), x.shape)
  }),
  ReduceMax: single((node, gradient) => {
    const x = operand(node, 0)
    const winners = cast(equal(x, kept(node, result(node))), x.dtype)
    const share = div(kept(node, gradient), sum(winners, { axes: keptShape(node).axes, keep: true }))
    return mul(winners, share)
  }),
  ReduceLogSumExp: single((node, gradient) => {
    const x = operand(node, 0)
    return mul(kept(node, gradient), exp(sub(x, kept(node, result(node)))))
  }),
  CumSum: single((node, gradient) => {
    const [axis = 0] = constantInts(node, 1)
    return cumulativeSum(gradient, axis, { reverse: intOf(node, 'reverse') === 0 })
  }),
}
