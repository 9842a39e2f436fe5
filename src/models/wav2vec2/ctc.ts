/** The CTC head: letters for each frame, and their loss (Graves et al. 2006). */
import { affine, cast, type Dim, less, mul, not, sum, type Tensor } from '../../ml/graph/index.js'
import { linear, type Parameters } from '../../ml/layers/index.js'
import { ctcLoss } from '../../ml/losses/index.js'
import type { SpeechEncoderConfig } from './config.js'

/** @param hidden [batch, frames, width]. @returns logits [batch, frames, vocabulary]. */
export function ctcHead(p: Parameters, hidden: Tensor, vocabulary: number): Tensor {
  return linear(p.at('lm_head'), hidden, vocabulary)
}

/** A head given at each run, for as many tokens as the language has: inputs `lm_head.weight` and `lm_head.bias`. */
export function exchangedHead(hidden: Tensor): Tensor {
  const { graph } = hidden
  const width = hidden.shape.at(-1) as Dim
  const weight = graph.input('lm_head.weight', 'float32', ['vocabulary', width])
  return affine(hidden, weight, graph.input('lm_head.bias', 'float32', ['vocabulary']))
}

/**
 * @param labels int64 [batch, labels], negative where a row has no more.
 * @param frames int64 [batch]: frames that count.
 * @returns a scalar, summed or averaged as the configuration says.
 */
export function ctcHeadLoss(
  logits: Tensor,
  labels: Tensor,
  frames: Tensor,
  config: SpeechEncoderConfig,
): Tensor {
  const { blank, reduction, zeroInfinity } = config.ctc
  const real = not(less(labels, 0))
  const lengths = sum(cast(real, 'int64'), { axes: [1] })
  const loss = ctcLoss(logits, mul(labels, cast(real, 'int64')), frames, lengths, { blank, zeroInfinity })
  return reduction === 'sum' ? loss.sum : loss.mean
}
