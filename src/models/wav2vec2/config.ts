/**
 * Configuration of wav2vec 2.0 (Baevski et al. 2020), XLS-R, MMS, HuBERT (Hsu et al. 2021) and data2vec audio
 * (Baevski et al. 2022) checkpoints: the options that the published classes honour, under names of our own.
 */
import { z } from 'zod'
import { refuse } from '../../ml/files/refuse.js'
import { gelu } from '../../ml/graph/index.js'
import { type Activation, activation } from '../checkpoint/activation.js'
import { depth, type JsonObject, labelsOf, parseConfig, size } from '../checkpoint/config-file.js'

const count = z.number().int().nonnegative()
/** Published front ends have seven, stacks of positions five. */
const MOST_CONVOLUTIONS = 64
const rate = z.number().min(0).max(1)

/** The published defaults are those of wav2vec 2.0 base. */
const schema = z.object({
  model_type: z.enum(['wav2vec2', 'hubert', 'data2vec-audio']),
  hidden_size: size.default(768),
  num_hidden_layers: depth.default(12),
  num_attention_heads: size.default(12),
  intermediate_size: size.default(3072),
  hidden_act: activation.default(() => gelu),
  layer_norm_eps: z.number().positive().default(1e-5),
  feat_extract_norm: z.enum(['group', 'layer']).default('group'),
  feat_extract_activation: activation.default(() => gelu),
  feat_proj_layer_norm: z.boolean().default(true),
  conv_dim: z.array(size).min(1).max(MOST_CONVOLUTIONS).default([512, 512, 512, 512, 512, 512, 512]),
  conv_stride: z.array(size).default([5, 2, 2, 2, 2, 2, 2]),
  conv_kernel: z.array(size).default([10, 3, 3, 3, 3, 2, 2]),
  conv_bias: z.boolean().default(false),
  num_conv_pos_embeddings: size.optional(),
  num_conv_pos_embedding_groups: size.default(16),
  conv_pos_kernel_size: size.default(19),
  conv_pos_batch_norm: z.boolean().default(false),
  do_stable_layer_norm: z.boolean().default(false),
  adapter_attn_dim: size.nullish(),
  add_adapter: z.boolean().default(false),
  adapter_kernel_size: size.default(3),
  adapter_stride: size.default(2),
  num_adapter_layers: depth.default(3),
  output_hidden_size: size.nullish(),
  use_weighted_layer_sum: z.boolean().default(false),
  classifier_proj_size: size.default(256),
  vocab_size: size.default(32),
  id2label: z.record(z.string(), z.string()).optional(),
  num_labels: size.optional(),
  pad_token_id: count.nullish(),
  ctc_loss_reduction: z.enum(['sum', 'mean']).default('sum'),
  ctc_zero_infinity: z.boolean().default(false),
  hidden_dropout: rate.default(0.1),
  activation_dropout: rate.default(0.1),
  feat_proj_dropout: rate.default(0),
  feat_quantizer_dropout: rate.default(0),
  num_codevectors_per_group: size.default(320),
  num_codevector_groups: size.default(2),
  codevector_dim: size.default(256),
  proj_codevector_dim: size.default(256),
  contrastive_logits_temperature: z.number().positive().default(0.1),
  diversity_loss_weight: z.number().default(0.1),
})

export type ModelType = z.output<typeof schema>['model_type']

export interface ConvolutionLayer {
  readonly width: number
  readonly kernel: number
  /** Samples (or frames of the layer before) from one frame to the next. */
  readonly stride: number
}

/** The convolutional front end (section 2 of wav2vec 2.0, "feature encoder"). */
export interface FrontEndConfig {
  readonly layers: readonly ConvolutionLayer[]
  /** `group`: a norm after the first layer, each channel by itself over time; `layer`: one in every layer. */
  readonly norm: 'group' | 'layer'
  readonly bias: boolean
  readonly activation: Activation
}

/** How frames learn where they are. */
export type PositionsConfig =
  | {
      /** One wide convolution; `norm` is what holds its weight or input in range. */
      readonly kind: 'one'
      readonly kernel: number
      readonly groups: number
      readonly norm: 'weight' | 'batch'
    }
  | { readonly kind: 'stack'; readonly layers: number; readonly kernel: number; readonly groups: number }

/** Zeros before and after each of the length adapter's convolutions, whatever their kernel. */
export const ADAPTER_PADDING = 1

/** Convolutions after the encoder that shorten its output (speech translation, some recognisers). */
export interface LengthAdapterConfig {
  readonly layers: number
  readonly kernel: number
  readonly stride: number
  /** Width of what comes out. */
  readonly width: number
}

export interface PretrainingConfig {
  /** Codebooks (G) and entries of each (V). */
  readonly groups: number
  readonly entries: number
  /** Width of a quantised frame before projection, all groups together. */
  readonly codeWidth: number
  /** Width in which prediction and target are compared. */
  readonly projectedWidth: number
  readonly temperature: number
  readonly diversityWeight: number
}

export interface SpeechEncoderConfig {
  readonly modelType: ModelType
  readonly frontEnd: FrontEndConfig
  /** A layer norm between the front end and the projection to `width`. */
  readonly projectionNorm: boolean
  readonly width: number
  readonly blocks: number
  readonly heads: number
  readonly innerWidth: number
  readonly activation: Activation
  readonly epsilon: number
  /** Norm before each half of a block and once at the end ("stable"), or after each half. */
  readonly preNorm: boolean
  readonly positions: PositionsConfig
  /** Inner width of the language adapter after each block (MMS); undefined where there is none. */
  readonly languageAdapterWidth: number | undefined
  readonly lengthAdapter: LengthAdapterConfig | undefined
  readonly vocabulary: number
  readonly ctc: { readonly blank: number; readonly reduction: 'sum' | 'mean'; readonly zeroInfinity: boolean }
  readonly classifier: {
    readonly width: number
    readonly labels: readonly string[]
    /** Classify a learned mixture of all hidden states instead of the last. */
    readonly weightedLayers: boolean
  }
  readonly pretraining: PretrainingConfig
  readonly dropout: {
    readonly hidden: number
    readonly activation: number
    readonly projection: number
    readonly quantiser: number
  }
}

/** wav2vec 2.0's kernel, and data2vec's number of layers, go by the same name in config.json. */
const DEFAULT_POSITIONS = { wav2vec2: 128, hubert: 128, 'data2vec-audio': 5 }

/**
 * @param path of config.json, for messages.
 * @throws UserError where an option is missing, of the wrong type, or does not fit the others.
 */
export function parseSpeechConfig(json: JsonObject, path: string): SpeechEncoderConfig {
  const c = parseConfig(schema, json, path)
  const isData2Vec = c.model_type === 'data2vec-audio'
  const layers = c.conv_dim.map((width, i) => ({
    width,
    kernel: c.conv_kernel[i] ?? 0,
    stride: c.conv_stride[i] ?? 0,
  }))
  if (c.conv_kernel.length !== layers.length || c.conv_stride.length !== layers.length)
    throw refuse(path, 'conv_dim, conv_kernel and conv_stride differ in length')
  if (c.hidden_size % c.num_attention_heads !== 0)
    throw refuse(path, `hidden_size ${c.hidden_size} does not divide into ${c.num_attention_heads} heads`)
  const positions = c.num_conv_pos_embeddings ?? DEFAULT_POSITIONS[c.model_type]
  const groups = c.num_conv_pos_embedding_groups
  if (isData2Vec && positions > MOST_CONVOLUTIONS)
    throw refuse(path, `num_conv_pos_embeddings ${positions} is more than ${MOST_CONVOLUTIONS} layers`)
  return {
    modelType: c.model_type,
    frontEnd: {
      layers,
      norm: isData2Vec ? 'layer' : c.feat_extract_norm,
      bias: c.conv_bias,
      activation: c.feat_extract_activation,
    },
    projectionNorm: c.model_type !== 'hubert' || c.feat_proj_layer_norm,
    width: c.hidden_size,
    blocks: c.num_hidden_layers,
    heads: c.num_attention_heads,
    innerWidth: c.intermediate_size,
    activation: c.hidden_act,
    epsilon: c.layer_norm_eps,
    preNorm: !isData2Vec && c.do_stable_layer_norm,
    positions: isData2Vec
      ? { kind: 'stack', layers: positions, kernel: c.conv_pos_kernel_size, groups }
      : {
          kind: 'one',
          kernel: positions,
          groups,
          norm: c.model_type === 'hubert' && c.conv_pos_batch_norm ? 'batch' : 'weight',
        },
    // Post-norm blocks and the other model types have none, whatever the file says.
    languageAdapterWidth:
      c.model_type !== 'data2vec-audio' && c.do_stable_layer_norm
        ? (c.adapter_attn_dim ?? undefined)
        : undefined,
    lengthAdapter:
      c.model_type !== 'hubert' && c.add_adapter
        ? {
            layers: c.num_adapter_layers,
            kernel: c.adapter_kernel_size,
            stride: c.adapter_stride,
            width: c.output_hidden_size ?? c.hidden_size,
          }
        : undefined,
    vocabulary: c.vocab_size,
    ctc: {
      blank: c.pad_token_id ?? 0,
      reduction: c.ctc_loss_reduction,
      zeroInfinity: c.ctc_zero_infinity,
    },
    classifier: {
      width: c.classifier_proj_size,
      labels: labelsOf(c.id2label, c.num_labels ?? 2),
      weightedLayers: c.use_weighted_layer_sum,
    },
    pretraining: {
      groups: c.num_codevector_groups,
      entries: c.num_codevectors_per_group,
      codeWidth: c.codevector_dim,
      projectedWidth: c.proj_codevector_dim,
      temperature: c.contrastive_logits_temperature,
      diversityWeight: c.diversity_loss_weight,
    },
    dropout: {
      hidden: c.hidden_dropout,
      activation: c.activation_dropout,
      projection: c.feat_proj_dropout,
      quantiser: c.feat_quantizer_dropout,
    },
  }
}

/** Frames that the front end makes of so many samples. */
export function frameCount(frontEnd: FrontEndConfig, samples: number): number {
  return frontEnd.layers.reduce(
    (length, { kernel, stride }) => Math.floor((length - kernel) / stride) + 1,
    samples,
  )
}

/** The least number of samples that make a frame, of the length adapter's output where there is one. */
export function leastSamples({ frontEnd, lengthAdapter }: Convolutions): number {
  return walks({ frontEnd, lengthAdapter }).reduceRight(
    (length, { kernel, stride, padding }) => Math.max(1, (length - 1) * stride + kernel - 2 * padding),
    1,
  )
}

/** Frames that are left of so many after the length adapter. */
export function adaptedCount({ layers, kernel, stride }: LengthAdapterConfig, frames: number): number {
  let length = frames
  for (let i = 0; i < layers; i++)
    length = Math.max(0, Math.floor((length + 2 * ADAPTER_PADDING - kernel) / stride) + 1)
  return length
}

type Convolutions = Pick<SpeechEncoderConfig, 'frontEnd' | 'lengthAdapter'>

/** All convolutions with a stride between samples and the frames that a head reads. */
export function walks({ frontEnd, lengthAdapter }: Convolutions) {
  const adapter = lengthAdapter ?? { layers: 0, kernel: 1, stride: 1 }
  return [
    ...frontEnd.layers.map(({ kernel, stride }) => ({ kernel, stride, padding: 0 })),
    ...Array.from({ length: adapter.layers }, () => ({
      kernel: adapter.kernel,
      stride: adapter.stride,
      padding: ADAPTER_PADDING,
    })),
  ]
}
