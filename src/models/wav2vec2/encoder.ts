/**
 * The speech encoder of the family: front end, projection, positions, transformer blocks (wav2vec 2.0, section 2 and
 * figure 1; blocks after Vaswani et al. 2017, with the norm before or after each half).
 */
import {
  add,
  type Dim,
  dimAt,
  iota,
  less,
  reshape,
  type Tensor,
  unsqueeze,
  where,
} from '../../ml/graph/index.js'
import {
  feedForward,
  layerNorm,
  maskToBias,
  multiHeadAttention,
  type Parameters,
} from '../../ml/layers/index.js'
import { languageAdapter, lengthAdapter } from './adapter.js'
import type { SpeechEncoderConfig } from './config.js'
import { featureProjection, frontEnd } from './front-end.js'
import { maskEmbedding } from './names.js'
import { positions } from './positional.js'

export interface SpeechInput {
  /** [batch, samples], as the feature extractor gives it. */
  readonly sound: Tensor
  /** int64 [batch]: frames that count in each row; all of them where it is left out. */
  readonly frames?: Tensor
  /** bool [batch, frames]: frames replaced by the mask embedding. */
  readonly timeMask?: Tensor
  /** bool [batch, width]: channels set to zero (SpecAugment). */
  readonly featureMask?: Tensor
  /** Dropout in training. */
  readonly dropout?: (x: Tensor, rate: number) => Tensor
}

export interface SpeechEncoding {
  /** The front end's frames after their norm, unmasked: [batch, frames, front end's width]. */
  readonly extracted: Tensor
  /** What goes into the first block, what comes out of each; the last one normed where blocks norm first. */
  readonly hiddenStates: readonly Tensor[]
  /** The last hidden state, after the length adapter where there is one. */
  readonly last: Tensor
  /** bool [batch, frames]: frames that count; undefined where all do. */
  readonly valid: Tensor | undefined
}

/** @param p the encoder's own parameters, without a prefix. */
export function speechEncoder(
  p: Parameters,
  input: SpeechInput,
  config: SpeechEncoderConfig,
): SpeechEncoding {
  const { graph } = p
  const dropout = input.dropout ?? ((x: Tensor) => x)
  const features = graph.scoped('front_end', () =>
    frontEnd(p.at('feature_extractor'), input.sound, config.frontEnd),
  )
  const { extracted, projected } = featureProjection(p.at('feature_projection'), features, config)
  const frames = dimAt('speechEncoder', extracted.shape, 1)
  const valid = input.frames === undefined ? undefined : validFrames(input.frames, frames)

  let x = masked(p, dropout(projected, config.dropout.projection), input, config)
  // Sound that is only padding must not reach its neighbours through the convolutional positions.
  if (valid !== undefined) x = where(unsqueeze(valid, 2), x, 0)
  const encoder = p.at('encoder')
  x = add(
    x,
    graph.scoped('positions', () =>
      positions(encoder.at('pos_conv_embed'), x, config.positions, config.frontEnd.activation),
    ),
  )
  const norm = (y: Tensor): Tensor => layerNorm(encoder.at('layer_norm'), y, config.epsilon)
  if (!config.preNorm) x = norm(x)
  x = dropout(x, config.dropout.hidden)

  const bias = valid === undefined ? undefined : maskToBias(keysOf(valid))
  const hiddenStates: Tensor[] = [x]
  for (let i = 0; i < config.blocks; i++) {
    const block = encoder.at('layers').at(i)
    x = graph.scoped(`block${i}`, () =>
      (config.preNorm ? preNormBlock : postNormBlock)(block, x, bias, config, dropout),
    )
    hiddenStates.push(x)
  }
  if (config.preNorm) {
    x = norm(x)
    hiddenStates[hiddenStates.length - 1] = x
  }
  const last =
    config.lengthAdapter === undefined ? x : lengthAdapter(p.at('adapter'), x, config.lengthAdapter)
  return { extracted, hiddenStates, last, valid }
}

/** bool [batch, frames]. */
function validFrames(lengths: Tensor, frames: Dim): Tensor {
  return less(unsqueeze(iota(lengths, frames), 0), unsqueeze(lengths, 1))
}

/** [batch, keys] -> [batch, 1, 1, keys]. */
function keysOf(valid: Tensor): Tensor {
  const [batch = 1, keys = 1] = valid.shape
  return reshape(valid, [batch, 1, 1, keys])
}

/** SpecAugment (Park et al. 2019) as wav2vec 2.0 does it: a learned vector in time, zeros over channels. */
function masked(
  p: Parameters,
  x: Tensor,
  { timeMask, featureMask }: SpeechInput,
  config: SpeechEncoderConfig,
): Tensor {
  let y = x
  if (timeMask !== undefined) {
    const embedding = p.get(maskEmbedding, [config.width], { kind: 'uniform', bound: 1 })
    y = where(unsqueeze(timeMask, 2), reshape(embedding, [1, 1, config.width]), y)
  }
  if (featureMask !== undefined) y = where(unsqueeze(featureMask, 1), 0, y)
  return y
}

type Block = (
  p: Parameters,
  x: Tensor,
  bias: Tensor | undefined,
  config: SpeechEncoderConfig,
  dropout: (x: Tensor, rate: number) => Tensor,
) => Tensor

/** x + attention(norm x), then + feed-forward(norm x), then + language adapter. */
const preNormBlock: Block = (p, x, bias, config, dropout) => {
  const attended = attend(p, layerNorm(p.at('layer_norm'), x, config.epsilon), bias, config)
  let y = add(x, dropout(attended, config.dropout.hidden))
  y = add(y, forward(p, layerNorm(p.at('final_layer_norm'), y, config.epsilon), config, dropout))
  if (config.languageAdapterWidth === undefined) return y
  return add(y, languageAdapter(p.at('adapter_layer'), y, config.languageAdapterWidth))
}

/** norm(x + attention x), then norm(x + feed-forward x). */
const postNormBlock: Block = (p, x, bias, config, dropout) => {
  const attended = dropout(attend(p, x, bias, config), config.dropout.hidden)
  const y = layerNorm(p.at('layer_norm'), add(x, attended), config.epsilon)
  return layerNorm(p.at('final_layer_norm'), add(y, forward(p, y, config, dropout)), config.epsilon)
}

function attend(p: Parameters, x: Tensor, bias: Tensor | undefined, { heads }: SpeechEncoderConfig): Tensor {
  const options = bias === undefined ? { heads } : { heads, bias }
  return multiHeadAttention(p.at('attention'), x, options as { heads: number }).output
}

function forward(
  p: Parameters,
  x: Tensor,
  { innerWidth, activation, dropout: rates }: SpeechEncoderConfig,
  dropout: (x: Tensor, rate: number) => Tensor,
): Tensor {
  const y = feedForward(p.at('feed_forward'), x, innerWidth, {
    activation: (inner) => dropout(activation(inner), rates.activation),
    names: ['intermediate_dense', 'output_dense'],
  })
  return dropout(y, rates.hidden)
}
