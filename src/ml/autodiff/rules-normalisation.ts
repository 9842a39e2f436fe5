/** Gradients of layer and instance normalisation (Ba et al. 2016, Ulyanov et al. 2016). */
import { add, mean, mul, reciprocal, sqrt, square, sub, sum, type Tensor } from '../graph/index.js'
import { arrived, floatOf, operand, type Rule, result } from './rule.js'

/** Through z = (x - mean) * inverse, over the last axis: inverse (dz - mean(dz) - z mean(dz z)). */
function throughStandardised(z: Tensor, inverse: Tensor, gradient: Tensor): Tensor {
  const last = { axes: [-1], keep: true }
  const drift = mean(gradient, last)
  const tilt = mean(mul(gradient, z), last)
  return mul(inverse, sub(sub(gradient, drift), mul(z, tilt)))
}

export const normalisationRules: Readonly<Record<string, Rule>> = {
  LayerNormalization: (node, gradients) => {
    const gradient = arrived(node, gradients)
    const x = operand(node, 0)
    const inverse = result(node, 2)
    const z = mul(sub(x, result(node, 1)), inverse)
    const lead = x.shape.slice(0, -1).map((_, i) => i)
    return [
      throughStandardised(z, inverse, mul(gradient, operand(node, 1))),
      sum(mul(gradient, z), { axes: lead }),
      node.inputs[2] === undefined ? undefined : sum(gradient, { axes: lead }),
    ]
  },
  /** Only as `normaliseRows` writes it: scale 1, no shift. */
  InstanceNormalization: (node, gradients) => {
    const x = operand(node, 0)
    const last = { axes: [-1], keep: true }
    const centred = sub(x, mean(x, last))
    const inverse = reciprocal(sqrt(add(mean(square(centred), last), floatOf(node, 'epsilon'))))
    return [throughStandardised(mul(centred, inverse), inverse, arrived(node, gradients))]
  },
}
