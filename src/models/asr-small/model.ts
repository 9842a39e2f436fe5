/** The network in training: a batch of features and texts to the CTC loss. */
import { argMax } from '../../ml/graph/index.js'
import { ctcLoss } from '../../ml/losses/index.js'
import type { BuildContext, LossAndMetrics } from '../../ml/train/index.js'
import { ASR_SMALL, type AsrSmallConfig, logitsOf } from './definition.js'
import { BLANK } from './text.js'

/**
 * Inputs of a batch: `features` [batch, frames, mels], `lengths` int64 [batch] in output frames, `targets` int64
 * [batch, labels], `labels` int64 [batch].
 */
export function asrSmallModel(
  config: AsrSmallConfig = ASR_SMALL,
  dropoutRate = 0.1,
): (context: BuildContext) => LossAndMetrics {
  return ({ parameters, input, dropout, training }) => {
    const lengths = input('lengths')
    const logits = logitsOf(parameters, input('features'), lengths, config, (x) => dropout(x, dropoutRate))
    const ctc = ctcLoss(logits, input('targets'), lengths, input('labels'), {
      blank: BLANK,
      zeroInfinity: true,
    })
    return { loss: ctc.mean, metrics: training ? {} : { path: argMax(logits, -1) } }
  }
}
