/** Configuration of data2vec text (Baevski et al. 2022), which has RoBERTa's layout (Liu et al. 2019). */
import { z } from 'zod'
import { refuse } from '../../ml/files/refuse.js'
import { gelu } from '../../ml/graph/index.js'
import { type Activation, activation } from '../checkpoint/activation.js'
import { depth, type JsonObject, labelsOf, parseConfig, size } from '../checkpoint/config-file.js'

const count = z.number().int().nonnegative()

/** The published defaults are those of data2vec-text-base. */
const schema = z.object({
  model_type: z.literal('data2vec-text'),
  vocab_size: size.default(30522),
  hidden_size: size.default(768),
  num_hidden_layers: depth.default(12),
  num_attention_heads: size.default(12),
  intermediate_size: size.default(3072),
  hidden_act: activation.default(() => gelu),
  max_position_embeddings: size.default(512),
  type_vocab_size: size.default(2),
  layer_norm_eps: z.number().positive().default(1e-12),
  pad_token_id: count.default(1),
  position_embedding_type: z.literal('absolute').default('absolute'),
  is_decoder: z.literal(false).default(false),
  tie_word_embeddings: z.boolean().default(true),
  id2label: z.record(z.string(), z.string()).optional(),
  num_labels: size.optional(),
})

export interface TextEncoderConfig {
  readonly vocabulary: number
  readonly width: number
  readonly blocks: number
  readonly heads: number
  readonly innerWidth: number
  readonly activation: Activation
  readonly epsilon: number
  readonly padId: number
  /** Rows of the table of positions. */
  readonly positions: number
  /** Tokens of the longest text: the first has position `padId + 1`. */
  readonly mostTokens: number
  readonly segments: number
  /** The output layer of the language model is the table of embeddings. */
  readonly tied: boolean
  readonly labels: readonly string[]
}

/**
 * @param path of config.json, for messages.
 * @throws UserError where an option is missing, of the wrong type, or does not fit the others.
 */
export function parseTextConfig(json: JsonObject, path: string): TextEncoderConfig {
  const c = parseConfig(schema, json, path)
  if (c.hidden_size % c.num_attention_heads !== 0)
    throw refuse(path, `hidden_size ${c.hidden_size} does not divide into ${c.num_attention_heads} heads`)
  if (c.pad_token_id >= c.vocab_size)
    throw refuse(path, `pad_token_id ${c.pad_token_id} is no token of ${c.vocab_size}`)
  const mostTokens = c.max_position_embeddings - c.pad_token_id - 1
  if (mostTokens < 1)
    throw refuse(path, `max_position_embeddings ${c.max_position_embeddings} leaves no position for a token`)
  return {
    vocabulary: c.vocab_size,
    width: c.hidden_size,
    blocks: c.num_hidden_layers,
    heads: c.num_attention_heads,
    innerWidth: c.intermediate_size,
    activation: c.hidden_act,
    epsilon: c.layer_norm_eps,
    padId: c.pad_token_id,
    positions: c.max_position_embeddings,
    mostTokens,
    segments: c.type_vocab_size,
    tied: c.tie_word_embeddings,
    labels: labelsOf(c.id2label, c.num_labels ?? 2),
  }
}
