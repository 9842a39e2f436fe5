/** Gradients of activation functions and of softmax. */
import {
  add,
  erf,
  exp,
  greater,
  mul,
  neg,
  sigmoid,
  sub,
  sum,
  type Tensor,
  tanh,
  where,
} from '../graph/index.js'
import { floatOf, intOf, operand, type Rule, result, single, textOf } from './rule.js'

const ROOT_HALF = Math.SQRT1_2
const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI)
const ROOT_TWO_OVER_PI = Math.sqrt(2 / Math.PI)
/** The cubic coefficient of the tanh approximation (Hendrycks and Gimpel 2016). */
const CUBIC = 0.044715

/** Twice Phi(x) + x phi(x), with u = x/sqrt(2): 1 + erf(u) + 2/sqrt(pi) u exp(-u^2). */
function twiceGeluSlope(x: Tensor): Tensor {
  const u = mul(x, ROOT_HALF)
  return add(add(erf(u), mul(mul(u, TWO_OVER_ROOT_PI), exp(neg(mul(u, u))))), 1)
}

/** With u = sqrt(2/pi) (x + c x^3): (1 + tanh u)/2 + x (1 - tanh^2 u)/2 u'. */
function geluTanhSlope(x: Tensor): Tensor {
  const squared = mul(x, x)
  const t = tanh(mul(x, add(mul(squared, ROOT_TWO_OVER_PI * CUBIC), ROOT_TWO_OVER_PI)))
  const inner = add(mul(squared, 3 * CUBIC * ROOT_TWO_OVER_PI), ROOT_TWO_OVER_PI)
  const rise = mul(mul(mul(x, 0.5), sub(1, mul(t, t))), inner)
  return add(add(mul(t, 0.5), 0.5), rise)
}

export const activationRules: Readonly<Record<string, Rule>> = {
  Relu: single((node, gradient) => where(greater(result(node), 0), gradient, 0)),
  LeakyRelu: single((node, gradient) =>
    where(greater(operand(node, 0), 0), gradient, mul(gradient, floatOf(node, 'alpha'))),
  ),
  Sigmoid: single((node, gradient) => mul(gradient, mul(result(node), sub(1, result(node))))),
  Tanh: single((node, gradient) => mul(gradient, sub(1, mul(result(node), result(node))))),
  Softplus: single((node, gradient) => mul(gradient, sigmoid(operand(node, 0)))),
  Gelu: single((node, gradient) => {
    const x = operand(node, 0)
    if (textOf(node, 'approximate') === 'tanh') return mul(gradient, geluTanhSlope(x))
    return mul(mul(gradient, 0.5), twiceGeluSlope(x))
  }),
  Softmax: single((node, gradient) => {
    const y = result(node)
    const inner = sum(mul(gradient, y), { axes: [intOf(node, 'axis')], keep: true })
    return mul(y, sub(gradient, inner))
  }),
  LogSoftmax: single((node, gradient) => {
    const total = sum(gradient, { axes: [intOf(node, 'axis')], keep: true })
    return sub(gradient, mul(exp(result(node)), total))
  }),
}
