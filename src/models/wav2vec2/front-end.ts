/** The convolutional front end: raw sound to frames, about 49 a second (wav2vec 2.0, section 2). */
import { type Tensor, transpose, unsqueeze } from '../../ml/graph/index.js'
import { convolution, groupNorm, layerNorm, linear, type Parameters } from '../../ml/layers/index.js'
import type { FrontEndConfig, SpeechEncoderConfig } from './config.js'

const timeLast = (x: Tensor): Tensor => transpose(x, [0, 2, 1])

/** @param sound [batch, samples]. @returns [batch, frames, width of the last layer]. */
export function frontEnd(p: Parameters, sound: Tensor, config: FrontEndConfig): Tensor {
  let x = unsqueeze(sound, 1)
  config.layers.forEach(({ width, kernel, stride }, i) => {
    const layer = p.at('conv_layers').at(i)
    const y = convolution(layer.at('conv'), x, width, [kernel], { stride, bias: config.bias })
    x = config.activation(norm(layer.at('layer_norm'), y, i, config))
  })
  return timeLast(x)
}

function norm(p: Parameters, x: Tensor, layer: number, config: FrontEndConfig): Tensor {
  if (config.norm === 'layer') return timeLast(layerNorm(p, timeLast(x)))
  const [, channels] = x.shape
  return layer === 0 && typeof channels === 'number' ? groupNorm(p, x, channels) : x
}

export interface ProjectedFeatures {
  /** The frames, normalised: what the quantiser of pre-training sees ("extract_features"). */
  readonly extracted: Tensor
  /** The same at the encoder's width. */
  readonly projected: Tensor
}

/** @param features [batch, frames, front end's width]. */
export function featureProjection(
  p: Parameters,
  features: Tensor,
  config: SpeechEncoderConfig,
): ProjectedFeatures {
  const extracted = config.projectionNorm ? layerNorm(p.at('layer_norm'), features, config.epsilon) : features
  return { extracted, projected: linear(p.at('projection'), extracted, config.width) }
}
