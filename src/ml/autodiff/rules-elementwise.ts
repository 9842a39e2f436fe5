/** Gradients of arithmetic and of choices, element by element. */
import {
  cast,
  cos,
  div,
  equal,
  exp,
  greater,
  less,
  mul,
  type Node,
  neg,
  pow,
  sign,
  sin,
  type Tensor,
  where,
} from '../graph/index.js'
import { arrived, operand, type Rule, result, single, sumToShape } from './rule.js'

/** Rules for two operands that may have been broadcast. */
function binary(rule: (a: Tensor, b: Tensor, gradient: Tensor) => readonly [Tensor, Tensor]): Rule {
  return (node, gradients) => {
    const a = operand(node, 0)
    const b = operand(node, 1)
    const [toA, toB] = rule(a, b, arrived(node, gradients))
    return [sumToShape(toA, a.shape), sumToShape(toB, b.shape)]
  }
}

/** The winner takes the gradient; of equals each takes half. */
function extreme(wins: (a: Tensor, b: Tensor) => Tensor): Rule {
  return binary((a, b, gradient) => {
    const half = where(equal(a, b), mul(gradient, 0.5), 0)
    return [where(wins(a, b), gradient, half), where(wins(b, a), gradient, half)]
  })
}

const noGradient: Rule = () => []

/** d/dx erf(x) = 2/sqrt(pi) exp(-x^2). */
const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI)

export const elementwiseRules: Readonly<Record<string, Rule>> = {
  Add: binary((_a, _b, gradient) => [gradient, gradient]),
  Sub: binary((_a, _b, gradient) => [gradient, neg(gradient)]),
  Mul: binary((a, b, gradient) => [mul(gradient, b), mul(gradient, a)]),
  Div: binary((a, b, gradient) => {
    const toA = div(gradient, b)
    return [toA, neg(mul(toA, div(a, b)))]
  }),
  Max: extreme(greater),
  Min: extreme(less),
  Where: (node, gradients) => {
    const gradient = arrived(node, gradients)
    const condition = operand(node, 0)
    return [
      undefined,
      sumToShape(where(condition, gradient, 0), operand(node, 1).shape),
      sumToShape(where(condition, 0, gradient), operand(node, 2).shape),
    ]
  },
  Neg: single((_node, gradient) => neg(gradient)),
  Exp: single((node, gradient) => mul(gradient, result(node))),
  Log: single((node, gradient) => div(gradient, operand(node, 0))),
  Sqrt: single((node, gradient) => div(mul(gradient, 0.5), result(node))),
  Reciprocal: single((node, gradient) => neg(mul(gradient, mul(result(node), result(node))))),
  Erf: single((node, gradient) => {
    const x = operand(node, 0)
    return mul(gradient, mul(exp(neg(mul(x, x))), TWO_OVER_ROOT_PI))
  }),
  Sin: single((node, gradient) => mul(gradient, cos(operand(node, 0)))),
  Cos: single((node, gradient) => neg(mul(gradient, sin(operand(node, 0))))),
  Abs: single((node, gradient) => mul(gradient, sign(operand(node, 0)))),
  Pow: single((node, gradient) => {
    const x = operand(node, 0)
    const exponent = exponentOf(node)
    return mul(gradient, mul(pow(x, exponent - 1), exponent))
  }),
  Cast: single((node, gradient) => cast(gradient, operand(node, 0).dtype)),
  Identity: single((_node, gradient) => gradient),
  Sign: noGradient,
  Floor: noGradient,
}

function exponentOf(node: Node): number {
  const tensor = operand(node, 1)
  const source = tensor.graph.initializers.get(tensor)?.source
  const value = source?.kind === 'inline' ? source.data[0] : undefined
  if (typeof value !== 'number' || tensor.rank !== 0)
    throw new Error(`${node.name}: the exponent is not a constant`)
  return value
}
