/** From token ids to the distribution of latents that each token stands for (section 2.4.1 of VITS). */
import { add, mul, pad, split, staticDimAt, type Tensor, transpose } from '../../ml/graph/index.js'
import {
  convolution,
  embedding,
  layerNorm,
  lengthMask,
  maskToBias,
  type Parameters,
} from '../../ml/layers/index.js'
import type { TextEncoderConfig, VitsConfig } from './config.js'
import { relativeAttention, relativePlaces } from './relative-attention.js'
import { timeMask } from './time-mask.js'

export interface EncodedText {
  /** [batch, width, tokens], 0 at padding. */
  readonly hidden: Tensor
  /** Of the latents, for each token: [batch, tokens, latent width], 0 at padding. */
  readonly means: Tensor
  readonly logDeviations: Tensor
  /** float32 [batch, 1, tokens]: 1 where a token counts. */
  readonly mask: Tensor
}

/** @param ids int64 [batch, tokens]. @param lengths int64 [batch]: tokens that count. */
export function textEncoder(p: Parameters, ids: Tensor, lengths: Tensor, config: VitsConfig): EncodedText {
  const { width, latentWidth, text } = config
  const mask = timeMask(lengths, ids.shape[1] ?? 1)
  const rows = transpose(mask, [0, 2, 1])
  const bias = maskToBias(lengthMask(lengths, ids.shape[1] ?? 1))
  const places = text.window === undefined ? undefined : relativePlaces(ids, text.heads, text.window)
  const words = embedding(p.at('embed_tokens'), ids, text.vocabulary, width)
  let x = mul(mul(words, Math.sqrt(width)), rows)
  for (let i = 0; i < text.blocks; i++)
    x = p.graph.scoped(`text${i}`, () => {
      const block = p.at('encoder').at('layers').at(i)
      const norm = (name: string, sum: Tensor): Tensor => layerNorm(block.at(name), sum, text.normEpsilon)
      const attended = norm(
        'layer_norm',
        add(x, relativeAttention(block.at('attention'), x, bias, places, text)),
      )
      const fed = feedForward(block.at('feed_forward'), attended, mask, text)
      return norm('final_layer_norm', add(attended, fed))
    })
  const hidden = mul(transpose(x, [0, 2, 1]), mask)
  const statistics = mul(convolution(p.at('project'), hidden, 2 * latentWidth, [1]), mask)
  const [means, logDeviations] = split(transpose(statistics, [0, 2, 1]), [latentWidth, latentWidth], 2)
  if (means === undefined || logDeviations === undefined) throw new Error('no halves')
  return { hidden, means, logDeviations, mask }
}

/** Two convolutions over time. @param x [batch, tokens, width]. */
function feedForward(p: Parameters, x: Tensor, mask: Tensor, config: TextEncoderConfig): Tensor {
  const { kernel, innerWidth, activation } = config
  const width = staticDimAt('feedForward', x.shape, -1)
  const sides = [{ axis: 2, before: Math.floor((kernel - 1) / 2), after: Math.floor(kernel / 2) }]
  const over = (name: string, y: Tensor, out: number): Tensor =>
    convolution(p.at(name), pad(mul(y, mask), sides), out, [kernel])
  const inner = activation(over('conv_1', transpose(x, [0, 2, 1]), innerWidth))
  return transpose(mul(over('conv_2', inner, width), mask), [0, 2, 1])
}
