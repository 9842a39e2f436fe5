/** Sampling a class differentiably (Jang et al. 2017; Maddison et al. 2017). */
import { add, argMax, div, oneHot, softmax, staticDimAt, type Tensor, withGradient } from '../graph/index.js'

export interface GumbelOptions {
  /** Low is near to one-hot. A tensor where it is annealed from step to step. */
  readonly temperature: Tensor | number
  /** One-hot forward, the soft sample's gradient backward (the straight-through estimator). */
  readonly hard?: boolean
}

/** softmax((logits + noise) / temperature) over the last axis. @param noise Gumbel(0, 1) draws, of logits' shape. */
export function gumbelSoftmax(
  logits: Tensor,
  noise: Tensor,
  { temperature, hard = false }: GumbelOptions,
): Tensor {
  const soft = softmax(div(add(logits, noise), temperature))
  if (!hard) return soft
  const classes = staticDimAt('gumbelSoftmax', logits.shape, -1)
  return withGradient(oneHot(argMax(soft, -1), classes), [soft], (gradient) => [gradient])
}
