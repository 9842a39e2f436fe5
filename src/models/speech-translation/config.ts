/**
 * Configuration of a speech encoder with a text decoder (`SpeechEncoderDecoderModel`: XLS-R with mBART, Babu et al.
 * 2021, section 4.3; Li et al. 2021): two configurations in one file.
 */
import { z } from 'zod'
import { printable, refuse } from '../../ml/files/refuse.js'
import { gelu, geluTanh, relu, sigmoid, silu, type Tensor, tanh } from '../../ml/graph/index.js'
import { depth, type JsonObject, parseConfig, size } from '../checkpoint/config-file.js'
import { parseSpeechConfig, type SpeechEncoderConfig } from '../wav2vec2/config.js'

type Activation = (x: Tensor) => Tensor

const activations: Readonly<Record<string, Activation>> = {
  relu,
  gelu,
  gelu_new: geluTanh,
  silu,
  swish: silu,
  sigmoid,
  tanh,
}

/** The published defaults are those of mBART large (Liu et al. 2020). */
const decoderSchema = z.object({
  model_type: z.enum(['mbart']),
  vocab_size: size.default(50265),
  d_model: size.default(1024),
  max_position_embeddings: size.default(1024),
  decoder_layers: depth.min(1).default(12),
  decoder_attention_heads: size.default(16),
  decoder_ffn_dim: size.default(4096),
  activation_function: z
    .string()
    .refine((name) => Object.hasOwn(activations, name), { error: 'is no activation that is known here' })
    .default('gelu'),
  scale_embedding: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
  cross_attention_hidden_size: size.nullish(),
  add_cross_attention: z.boolean().default(true),
})

export interface TextDecoderConfig {
  readonly vocabulary: number
  readonly width: number
  /** Longest sequence that has positions, the start token counted. */
  readonly maxPositions: number
  readonly blocks: number
  readonly heads: number
  readonly innerWidth: number
  readonly activation: Activation
  /** Factor on token embeddings: sqrt(width), or 1. */
  readonly embeddingScale: number
  /** The output layer is the table of embeddings. */
  readonly tied: boolean
}

export interface TranslationConfig {
  readonly encoder: SpeechEncoderConfig
  readonly decoder: TextDecoderConfig
  /** Width of what the encoder gives. */
  readonly encodedWidth: number
  /** A projection brings it to the decoder's width. */
  readonly projects: boolean
}

/** Whether config.json describes a model of this family. */
export const isTranslationConfig = (json: JsonObject): boolean => json.model_type === 'speech-encoder-decoder'

/**
 * @param path of config.json, for messages.
 * @throws UserError where an option is missing, of the wrong type, or does not fit the others.
 */
export function parseTranslationConfig(json: JsonObject, path: string): TranslationConfig {
  if (!isTranslationConfig(json))
    throw refuse(path, `is of model_type "${printable(String(json.model_type))}", not speech-encoder-decoder`)
  const encoder = parseSpeechConfig(part(json, 'encoder', path), path)
  const c = parseConfig(decoderSchema, part(json, 'decoder', path), path)
  if (c.d_model % c.decoder_attention_heads !== 0)
    throw refuse(path, `d_model ${c.d_model} does not divide into ${c.decoder_attention_heads} heads`)
  if (!c.add_cross_attention) throw refuse(path, 'its decoder has no cross attention')
  const encodedWidth = encoder.lengthAdapter?.width ?? encoder.width
  const projects = encodedWidth !== c.d_model
  if (projects && typeof c.cross_attention_hidden_size === 'number')
    throw refuse(path, 'cross_attention_hidden_size of its own is not supported with this decoder')
  return {
    encoder,
    encodedWidth,
    projects,
    decoder: {
      vocabulary: c.vocab_size,
      width: c.d_model,
      maxPositions: c.max_position_embeddings,
      blocks: c.decoder_layers,
      heads: c.decoder_attention_heads,
      innerWidth: c.decoder_ffn_dim,
      activation: activations[c.activation_function] ?? gelu,
      embeddingScale: c.scale_embedding ? Math.sqrt(c.d_model) : 1,
      tied: c.tie_word_embeddings,
    },
  }
}

function part(json: JsonObject, name: 'encoder' | 'decoder', path: string): JsonObject {
  const value = json[name]
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse(path, `has no configuration of its ${name}`)
  return value as JsonObject
}
