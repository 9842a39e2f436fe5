/** The loss of Girshick 2015 (Fast R-CNN), equation 3, with the place where it turns: beta. */
import { abs, less, mul, square, sub, type Tensor, where } from '../graph/index.js'

/** |d| < beta ? d^2 / (2 beta) : |d| - beta/2, element by element; beta 0 is |d|. */
export function smoothL1(prediction: Tensor, target: Tensor, beta = 1): Tensor {
  const difference = sub(prediction, target)
  const distance = abs(difference)
  if (beta === 0) return distance
  return where(less(distance, beta), mul(square(difference), 0.5 / beta), sub(distance, beta / 2))
}
