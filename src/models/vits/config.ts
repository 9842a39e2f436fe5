/**
 * Configuration of VITS (Kim et al. 2021, arXiv:2106.06103) and MMS-TTS (Pratap et al. 2023) checkpoints: the options
 * that the published class honours, under names of our own.
 */
import { z } from 'zod'
import { printable, refuse } from '../../ml/files/refuse.js'
import { relu } from '../../ml/graph/index.js'
import { type Activation, activation } from '../checkpoint/activation.js'
import { depth, type JsonObject, parseConfig, size } from '../checkpoint/config-file.js'

const layers = depth.min(1)
const count = z.number().int().nonnegative()
const odd = size.refine((value) => value % 2 === 1, { error: 'must be odd, so that lengths stay' })
const scale = z.number().nonnegative()

/** Upsamplings of a decoder, residual blocks of a stage, dilations of a block; published ones have up to four. */
const MOST_STAGES = 16
/** Frames that a kernel may reach over; more than any sentence has. */
const MOST_REACH = 2 ** 20

/** The published defaults are those of the MMS-TTS voices. */
const schema = z.object({
  model_type: z.literal('vits'),
  vocab_size: size.default(38),
  hidden_size: size.default(192),
  num_hidden_layers: depth.default(6),
  num_attention_heads: size.default(2),
  window_size: count.max(1024).nullable().default(4),
  use_bias: z.boolean().default(true),
  ffn_dim: size.default(768),
  ffn_kernel_size: size.default(3),
  flow_size: size.max(2 ** 14).default(192),
  spectrogram_bins: size.default(513),
  hidden_act: activation.default(() => relu),
  layer_norm_eps: z.number().positive().default(1e-5),
  use_stochastic_duration_prediction: z.boolean().default(true),
  num_speakers: size.default(1),
  speaker_embedding_size: count.max(2 ** 16).default(0),
  upsample_initial_channel: size.default(512),
  upsample_rates: z.array(size).min(1).max(MOST_STAGES).default([8, 8, 2, 2]),
  upsample_kernel_sizes: z.array(size).max(MOST_STAGES).default([16, 16, 4, 4]),
  resblock_kernel_sizes: z.array(odd).min(1).max(MOST_STAGES).default([3, 7, 11]),
  resblock_dilation_sizes: z.array(z.array(size).min(1)).default([
    [1, 3, 5],
    [1, 3, 5],
    [1, 3, 5],
  ]),
  leaky_relu_slope: z.number().default(0.1),
  depth_separable_channels: z
    .literal(2, { error: 'must be 2: spline flows are over two channels' })
    .default(2),
  depth_separable_num_layers: layers.default(3),
  duration_predictor_flow_bins: size.max(999).default(10),
  duration_predictor_tail_bound: z.number().positive().default(5),
  duration_predictor_kernel_size: odd.default(3),
  duration_predictor_num_flows: layers.default(4),
  duration_predictor_filter_channels: size.default(256),
  prior_encoder_num_flows: depth.default(4),
  prior_encoder_num_wavenet_layers: layers.default(4),
  posterior_encoder_num_wavenet_layers: layers.default(16),
  wavenet_kernel_size: odd.default(5),
  wavenet_dilation_rate: size.default(1),
  speaking_rate: z.number().positive().default(1),
  noise_scale: scale.default(0.667),
  noise_scale_duration: scale.default(0.8),
  sampling_rate: size.max(384_000).default(16_000),
})

/** The text encoder: a transformer with relative positions and convolutions between attentions. */
export interface TextEncoderConfig {
  readonly vocabulary: number
  readonly blocks: number
  readonly heads: number
  /** Positions either side that attention can tell apart; undefined where it has no positions. */
  readonly window: number | undefined
  readonly attentionBias: boolean
  readonly innerWidth: number
  readonly kernel: number
  readonly activation: Activation
  readonly normEpsilon: number
}

/** How long each token lasts: by normalising flows, or by a small convolutional network. */
export type DurationConfig =
  | {
      readonly kind: 'stochastic'
      readonly flows: number
      readonly bins: number
      /** Beyond +-tail a spline is the identity. */
      readonly tail: number
      readonly kernel: number
      readonly layers: number
    }
  | {
      readonly kind: 'plain'
      readonly width: number
      readonly kernel: number
      readonly normEpsilon: number
    }

export interface WaveNetConfig {
  readonly layers: number
  readonly kernel: number
  /** Layer i is dilated by this to the power i. */
  readonly dilationRate: number
}

/** HiFi-GAN (Kong et al. 2020). */
export interface DecoderConfig {
  readonly width: number
  readonly stages: readonly { readonly rate: number; readonly kernel: number }[]
  /** In each stage, side by side. */
  readonly residuals: readonly { readonly kernel: number; readonly dilations: readonly number[] }[]
  readonly slope: number
}

export interface VitsConfig {
  readonly width: number
  /** Channels of the latent frames. */
  readonly latentWidth: number
  readonly spectrogramBins: number
  readonly speakers: number
  /** 0 where speakers are not told apart. */
  readonly speakerWidth: number
  readonly text: TextEncoderConfig
  readonly duration: DurationConfig
  readonly flows: number
  readonly flowNet: WaveNetConfig
  readonly posteriorNet: WaveNetConfig
  readonly decoder: DecoderConfig
  /** Hz. */
  readonly sampleRate: number
  readonly samplesPerFrame: number
  /** What the checkpoint was published with. */
  readonly speakingRate: number
  readonly noiseScale: number
  readonly durationNoiseScale: number
}

/** Whether config.json describes a model of this family. */
export const isVitsConfig = (json: JsonObject): boolean => json.model_type === 'vits'

/**
 * @param path of config.json, for messages.
 * @throws UserError where an option is of the wrong type or does not fit the others.
 */
export function parseVitsConfig(json: JsonObject, path: string): VitsConfig {
  if (!isVitsConfig(json))
    throw refuse(path, `is of model_type "${printable(String(json.model_type))}", not vits`)
  const c = parseConfig(schema, json, path)
  if (c.hidden_size % c.num_attention_heads !== 0)
    throw refuse(path, `hidden_size ${c.hidden_size} does not divide into ${c.num_attention_heads} heads`)
  if (c.flow_size % 2 !== 0) throw refuse(path, `flow_size ${c.flow_size} does not divide into halves`)
  for (const [rate, deep] of [
    [c.duration_predictor_kernel_size, c.depth_separable_num_layers],
    [
      c.wavenet_dilation_rate,
      Math.max(c.prior_encoder_num_wavenet_layers, c.posterior_encoder_num_wavenet_layers),
    ],
  ] as const)
    if (rate ** deep > MOST_REACH)
      throw refuse(path, `dilations by ${rate} in ${deep} layers reach beyond any sentence`)
  if (c.num_speakers > 1 && c.speaker_embedding_size === 0)
    throw refuse(path, `has ${c.num_speakers} speakers and no speaker_embedding_size`)
  return {
    width: c.hidden_size,
    latentWidth: c.flow_size,
    spectrogramBins: c.spectrogram_bins,
    speakers: c.num_speakers,
    speakerWidth: c.speaker_embedding_size,
    text: {
      vocabulary: c.vocab_size,
      blocks: c.num_hidden_layers,
      heads: c.num_attention_heads,
      // The published class takes 0 for "no positions", too.
      window: c.window_size === null || c.window_size === 0 ? undefined : c.window_size,
      attentionBias: c.use_bias,
      innerWidth: c.ffn_dim,
      kernel: c.ffn_kernel_size,
      activation: c.hidden_act,
      normEpsilon: c.layer_norm_eps,
    },
    duration: durationOf(c),
    flows: c.prior_encoder_num_flows,
    flowNet: waveNetOf(c, c.prior_encoder_num_wavenet_layers),
    posteriorNet: waveNetOf(c, c.posterior_encoder_num_wavenet_layers),
    decoder: decoderOf(c, path),
    sampleRate: c.sampling_rate,
    samplesPerFrame: c.upsample_rates.reduce((product, rate) => product * rate, 1),
    speakingRate: c.speaking_rate,
    noiseScale: c.noise_scale,
    durationNoiseScale: c.noise_scale_duration,
  }
}

type Parsed = z.output<typeof schema>

function durationOf(c: Parsed): DurationConfig {
  const kernel = c.duration_predictor_kernel_size
  if (!c.use_stochastic_duration_prediction)
    return {
      kind: 'plain',
      width: c.duration_predictor_filter_channels,
      kernel,
      normEpsilon: c.layer_norm_eps,
    }
  return {
    kind: 'stochastic',
    flows: c.duration_predictor_num_flows,
    bins: c.duration_predictor_flow_bins,
    tail: c.duration_predictor_tail_bound,
    kernel,
    layers: c.depth_separable_num_layers,
  }
}

const waveNetOf = (c: Parsed, layers: number): WaveNetConfig => ({
  layers,
  kernel: c.wavenet_kernel_size,
  dilationRate: c.wavenet_dilation_rate,
})

function decoderOf(c: Parsed, path: string): DecoderConfig {
  const { upsample_rates: rates, upsample_kernel_sizes: kernels } = c
  if (kernels.length !== rates.length)
    throw refuse(path, `has ${rates.length} upsample_rates for ${kernels.length} upsample_kernel_sizes`)
  const { resblock_kernel_sizes: sizes, resblock_dilation_sizes: dilations } = c
  if (sizes.length !== dilations.length)
    throw refuse(path, `has ${sizes.length} resblock_kernel_sizes for ${dilations.length} dilation sizes`)
  if (c.upsample_initial_channel < 2 ** rates.length)
    throw refuse(
      path,
      `upsample_initial_channel ${c.upsample_initial_channel} cannot be halved at each stage`,
    )
  const stages = rates.map((rate, i) => {
    const kernel = kernels[i] ?? rate
    if (kernel < rate || (kernel - rate) % 2 !== 0)
      throw refuse(path, `an upsampling by ${rate} with a kernel of ${kernel} does not keep lengths`)
    return { rate, kernel }
  })
  return {
    width: c.upsample_initial_channel,
    stages,
    residuals: sizes.map((kernel, i) => ({ kernel, dilations: dilations[i] ?? [] })),
    slope: c.leaky_relu_slope,
  }
}
