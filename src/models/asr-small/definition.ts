/**
 * The network: log mel energies to characters. Two convolutions shorten time by four; six blocks of attention with a
 * fixed bias by distance (Press et al. 2022, symmetric), a gated depthwise convolution (Gulati et al. 2020, section
 * 2.2) and a feed-forward layer; a linear layer gives CTC's classes. One definition trains and serves.
 */
import {
  add,
  and,
  cast,
  dimAt,
  glu,
  iota,
  less,
  mul,
  silu,
  type Tensor,
  unsqueeze,
} from '../../ml/graph/index.js'
import {
  alibiBias,
  alibiSlopes,
  bandMask,
  convolutionChannelsLast,
  depthwiseChannelsLast,
  feedForward,
  layerNorm,
  lengthMask,
  linear,
  maskToBias,
  multiHeadAttention,
  type Parameters,
  residual,
} from '../../ml/layers/index.js'
import { MELS } from './features.js'
import { CLASSES } from './text.js'

export interface AsrSmallConfig {
  readonly mels: number
  readonly width: number
  readonly heads: number
  readonly blocks: number
  /** Of the depthwise convolution; odd. */
  readonly kernel: number
  /** Of the feed-forward layers, over the width. */
  readonly expansion: number
  readonly classes: number
  /** Frames less than this away may be attended to; all of them unless told. */
  readonly reach?: number
}

export const ASR_SMALL: AsrSmallConfig = {
  mels: MELS,
  width: 160,
  heads: 4,
  blocks: 6,
  kernel: 15,
  expansion: 3,
  classes: CLASSES,
}

/** Kernel and stride of the two convolutions in front. */
const FRONT = { kernel: 5, stride: 2, padding: 2 } as const
/** Input frames to one output frame. */
export const SUBSAMPLING = FRONT.stride ** 2

const shortened = (frames: number): number =>
  Math.floor((frames + 2 * FRONT.padding - FRONT.kernel) / FRONT.stride) + 1

/** Output frames of a number of input frames. */
export const outputFrames = (frames: number): number => shortened(shortened(frames))

type Dropout = (x: Tensor) => Tensor
const keep: Dropout = (x) => x

/**
 * @param features [batch, frames, mels], each utterance less its mean, zeros beyond its end. Static sizes.
 * @param lengths int64 [batch]: output frames that count. @returns the encoded [batch, outputFrames, width].
 */
export function encode(
  p: Parameters,
  features: Tensor,
  lengths: Tensor,
  config: AsrSmallConfig,
  dropout: Dropout = keep,
): Tensor {
  const { width, heads, blocks, kernel, expansion, reach } = config
  const front = p.at('front')
  const first = silu(convolutionChannelsLast(front.at('0'), features, width, FRONT.kernel, FRONT))
  const second = silu(convolutionChannelsLast(front.at('1'), first, width, FRONT.kernel, FRONT))
  let x = layerNorm(front.at('norm'), second)
  const time = dimAt('encode', x.shape, 1)
  const places = iota(x, time)
  const distances = alibiBias(x.graph.constant(alibiSlopes(heads), [heads]), places, places)
  const within = lengthMask(lengths, time)
  const visible = reach === undefined ? within : and(within, bandMask(x, time, reach))
  const bias = add(distances, maskToBias(visible))
  const valid = unsqueeze(cast(less(unsqueeze(places, 0), unsqueeze(lengths, 1)), 'float32'), 2)
  for (let i = 0; i < blocks; i++) {
    const block = p.at(`blocks.${i}`)
    x = residual(x, (y) =>
      dropout(
        multiHeadAttention(block.at('attention'), layerNorm(block.at('attention.norm'), y), { heads, bias })
          .output,
      ),
    )
    x = residual(x, (y) => dropout(convolutionModule(block.at('convolution'), y, valid, kernel)))
    x = residual(x, (y) =>
      dropout(
        feedForward(
          block.at('feed_forward'),
          layerNorm(block.at('feed_forward.norm'), y),
          expansion * width,
          {
            activation: silu,
          },
        ),
      ),
    )
  }
  return layerNorm(p.at('norm'), x)
}

/** @param valid [batch, time, 1], 0 beyond an utterance's end: what lies there must not leak in. */
function convolutionModule(p: Parameters, x: Tensor, valid: Tensor, kernel: number): Tensor {
  const width = Number(x.shape[2])
  const gated = glu(linear(p.at('in'), layerNorm(p.at('norm'), x), 2 * width), -1)
  const mixed = silu(
    layerNorm(p.at('inner_norm'), depthwiseChannelsLast(p.at('depthwise'), mul(gated, valid), kernel)),
  )
  return linear(p.at('out'), mixed, width)
}

/** CTC scores, not normalised: [batch, outputFrames, classes]. Arguments as {@link encode}. */
export function logitsOf(
  p: Parameters,
  features: Tensor,
  lengths: Tensor,
  config: AsrSmallConfig = ASR_SMALL,
  dropout: Dropout = keep,
): Tensor {
  return linear(p.at('classes'), encode(p, features, lengths, config, dropout), config.classes)
}
