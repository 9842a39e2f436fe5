/**
 * The vision encoder of data2vec (Baevski et al. 2022, section 3.1): patches, a class token, transformer blocks with
 * the norm before each half and scaled residuals (Touvron et al. 2021, LayerScale), in BEiT's layout.
 */
import {
  add,
  concat,
  dimAt,
  expand,
  greater,
  mean,
  mul,
  reshape,
  slice,
  type Tensor,
  transpose,
  unsqueeze,
  where,
} from '../../ml/graph/index.js'
import {
  convolution,
  feedForward,
  layerNorm,
  linear,
  multiHeadAttention,
  type Parameters,
} from '../../ml/layers/index.js'
import { firstToken } from './hidden-states.js'
import { relativePositionBias } from './relative-position.js'
import type { VisionEncoderConfig } from './vision-config.js'

export interface VisionInput {
  /** [batch, channels, height, width], as the image processor gives it. */
  readonly pixels: Tensor
  /** int64 [batch, patches]: 1 where the mask vector stands for the patch. */
  readonly masked?: Tensor
}

export interface VisionEncoding {
  /** What goes into the first block, what comes out of each: [batch, 1 + patches, width], the class token first. */
  readonly hiddenStates: readonly Tensor[]
  /** The last one, normed where patches are not pooled. */
  readonly last: Tensor
}

/** @param p the encoder's own parameters, without a prefix. */
export function visionEncoder(
  p: Parameters,
  input: VisionInput,
  config: VisionEncoderConfig,
): VisionEncoding {
  const { graph } = p
  const { blocks, relativePositions, heads, grid } = config
  let x = graph.scoped('embeddings', () => embeddings(p.at('embeddings'), input, config))
  const encoder = p.at('encoder')
  const shared = relativePositions.shared
    ? relativePositionBias(encoder.at('relative_position_bias'), heads, grid)
    : undefined
  const hiddenStates: Tensor[] = [x]
  for (let i = 0; i < blocks; i++) {
    const layer = encoder.at('layer').at(i)
    x = graph.scoped(`block${i}`, () => block(layer, x, shared, config))
    hiddenStates.push(x)
  }
  return { hiddenStates, last: config.meanPooling ? x : layerNorm(p.at('layernorm'), x, config.epsilon) }
}

function embeddings(p: Parameters, { pixels, masked }: VisionInput, config: VisionEncoderConfig): Tensor {
  const { width, patch, grid } = config
  const patches = grid[0] * grid[1]
  const batch = dimAt('visionEncoder', pixels.shape, 0)
  const grown = convolution(p.at('patch_embeddings.projection'), pixels, width, patch, { stride: patch })
  let x = transpose(reshape(grown, [batch, width, patches]), [0, 2, 1])
  if (masked !== undefined) x = where(unsqueeze(greater(masked, 0), 2), p.get('mask_token', [1, 1, width]), x)
  x = concat([expand(p.get('cls_token', [1, 1, width]), [batch, 1, width]), x], 1)
  return config.absolutePositions ? add(x, p.get('position_embeddings', [1, 1 + patches, width])) : x
}

/** x + scale attention(norm x), then + scale feed-forward(norm x). */
function block(p: Parameters, x: Tensor, shared: Tensor | undefined, config: VisionEncoderConfig): Tensor {
  const { width, heads, grid, epsilon, innerWidth, activation, layerScale } = config
  const scaled = (name: string, y: Tensor): Tensor =>
    layerScale ? mul(y, p.get(name, [width], { kind: 'constant', value: 0.1 })) : y
  const own = config.relativePositions.perBlock
    ? relativePositionBias(p.at('attention.attention.relative_position_bias'), heads, grid)
    : undefined
  const bias = own === undefined ? shared : shared === undefined ? own : add(own, shared)
  const { output } = multiHeadAttention(p.at('attention'), layerNorm(p.at('layernorm_before'), x, epsilon), {
    heads,
    keyBias: false,
    ...(bias === undefined ? {} : { bias }),
    names: {
      query: 'attention.query',
      key: 'attention.key',
      value: 'attention.value',
      output: 'output.dense',
    },
  })
  const y = add(x, scaled('lambda_1', output))
  const forward = feedForward(p, layerNorm(p.at('layernorm_after'), y, epsilon), innerWidth, {
    activation,
    names: ['intermediate.dense', 'output.dense'],
  })
  return add(y, scaled('lambda_2', forward))
}

/** One vector an image: the normed mean of its patches, or its class token. @returns [batch, width]. */
export function visionPooler(p: Parameters, last: Tensor, config: VisionEncoderConfig): Tensor {
  if (!config.meanPooling) return firstToken(last)
  const patches = slice(last, 1, 1, dimAt('visionPooler', last.shape, 1))
  return layerNorm(p.at('pooler.layernorm'), mean(patches, { axes: [1] }), config.epsilon)
}

/** @param pooled [batch, width]. @returns logits [batch, labels]. */
export const imageClassifier = (p: Parameters, pooled: Tensor, config: VisionEncoderConfig): Tensor =>
  linear(p.at('classifier'), pooled, config.labels.length)
