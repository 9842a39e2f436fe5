/** Classification of whole recordings (MMS language identification) or of frames. */
import {
  add,
  cast,
  div,
  mean,
  mul,
  reshape,
  slice,
  softmax,
  sum,
  type Tensor,
  unsqueeze,
} from '../../ml/graph/index.js'
import { linear, type Parameters } from '../../ml/layers/index.js'
import type { SpeechEncoderConfig } from './config.js'
import type { SpeechEncoding } from './encoder.js'

/** The last hidden state, or all of them weighted by what was learned. */
function chosenLayers(p: Parameters, encoding: SpeechEncoding, config: SpeechEncoderConfig): Tensor {
  if (!config.classifier.weightedLayers) return encoding.last
  const layers = encoding.hiddenStates
  const weights = softmax(
    p.get('layer_weights', [layers.length], { kind: 'constant', value: 1 / layers.length }),
  )
  return layers
    .map((layer, i) => mul(layer, reshape(slice(weights, 0, i, i + 1), [])))
    .reduce((total, layer) => add(total, layer))
}

/** Each frame projected, the frames that count averaged, the mean classified. @returns logits [batch, labels]. */
export function recordingClassifier(
  p: Parameters,
  encoding: SpeechEncoding,
  config: SpeechEncoderConfig,
): Tensor {
  const projected = linear(p.at('projector'), chosenLayers(p, encoding, config), config.classifier.width)
  return linear(
    p.at('classifier'),
    meanOverFrames(projected, encoding.valid),
    config.classifier.labels.length,
  )
}

function meanOverFrames(x: Tensor, valid: Tensor | undefined): Tensor {
  if (valid === undefined) return mean(x, { axes: [1] })
  const weight = cast(valid, 'float32')
  return div(sum(mul(x, unsqueeze(weight, 2)), { axes: [1] }), sum(weight, { axes: [1], keep: true }))
}

/** @returns logits [batch, frames, labels]. */
export function frameClassifier(
  p: Parameters,
  encoding: SpeechEncoding,
  config: SpeechEncoderConfig,
): Tensor {
  return linear(p.at('classifier'), chosenLayers(p, encoding, config), config.classifier.labels.length)
}
