/** Configuration of data2vec vision (Baevski et al. 2022), which has BEiT's layout (Bao et al. 2021). */
import { z } from 'zod'
import { refuse } from '../../ml/files/refuse.js'
import { gelu } from '../../ml/graph/index.js'
import { type Activation, activation } from '../checkpoint/activation.js'
import { depth, type JsonObject, labelsOf, parseConfig, size } from '../checkpoint/config-file.js'

/** One number for both sides, or [height, width]. */
const sides = z
  .union([size, z.tuple([size, size])])
  .transform((value): readonly [number, number] => (typeof value === 'number' ? [value, value] : value))

/** The published defaults are those of data2vec-vision-base. */
const schema = z.object({
  model_type: z.literal('data2vec-vision'),
  hidden_size: size.default(768),
  num_hidden_layers: depth.default(12),
  num_attention_heads: size.default(12),
  intermediate_size: size.default(3072),
  hidden_act: activation.default(() => gelu),
  layer_norm_eps: z.number().positive().default(1e-12),
  image_size: sides.default([224, 224]),
  patch_size: sides.default([16, 16]),
  num_channels: z.union([z.literal(1), z.literal(3)]).default(3),
  use_mask_token: z.boolean().default(false),
  use_absolute_position_embeddings: z.boolean().default(false),
  use_relative_position_bias: z.boolean().default(false),
  use_shared_relative_position_bias: z.boolean().default(false),
  layer_scale_init_value: z.number().default(0.1),
  use_mean_pooling: z.boolean().default(true),
  id2label: z.record(z.string(), z.string()).optional(),
  num_labels: size.optional(),
})

/** Relative positions and attention grow with the square of the patches; published models have 196 to 1,024. */
const MAX_PATCHES = 4096

export interface VisionEncoderConfig {
  readonly width: number
  readonly blocks: number
  readonly heads: number
  readonly innerWidth: number
  readonly activation: Activation
  readonly epsilon: number
  readonly channels: 1 | 3
  /** Pixels: [height, width]. */
  readonly image: readonly [number, number]
  readonly patch: readonly [number, number]
  /** Patches: [rows, columns]. */
  readonly grid: readonly [number, number]
  /** There is a vector that stands for a masked patch. */
  readonly maskToken: boolean
  readonly absolutePositions: boolean
  /** Biases on attention by where one patch lies from another: a table of each block, one of all, or both. */
  readonly relativePositions: { readonly perBlock: boolean; readonly shared: boolean }
  /** Each half of a block is scaled by a learned vector before it is added. */
  readonly layerScale: boolean
  /** The image's vector is the normed mean of its patches; otherwise the class token after the last norm. */
  readonly meanPooling: boolean
  readonly labels: readonly string[]
}

/**
 * @param path of config.json, for messages.
 * @throws UserError where an option is missing, of the wrong type, or does not fit the others.
 */
export function parseVisionConfig(json: JsonObject, path: string): VisionEncoderConfig {
  const c = parseConfig(schema, json, path)
  if (c.hidden_size % c.num_attention_heads !== 0)
    throw refuse(path, `hidden_size ${c.hidden_size} does not divide into ${c.num_attention_heads} heads`)
  const [height, width] = c.image_size
  const grid = [Math.floor(height / c.patch_size[0]), Math.floor(width / c.patch_size[1])] as const
  const patches = grid[0] * grid[1]
  if (patches < 1 || patches > MAX_PATCHES)
    throw refuse(path, `image_size over patch_size makes ${patches} patches, not 1 to ${MAX_PATCHES}`)
  return {
    width: c.hidden_size,
    blocks: c.num_hidden_layers,
    heads: c.num_attention_heads,
    innerWidth: c.intermediate_size,
    activation: c.hidden_act,
    epsilon: c.layer_norm_eps,
    channels: c.num_channels,
    image: c.image_size,
    patch: c.patch_size,
    grid,
    maskToken: c.use_mask_token,
    absolutePositions: c.use_absolute_position_embeddings,
    relativePositions: {
      perBlock: c.use_relative_position_bias,
      shared: c.use_shared_relative_position_bias,
    },
    layerScale: c.layer_scale_init_value > 0,
    meanPooling: c.use_mean_pooling,
    labels: labelsOf(c.id2label, c.num_labels ?? 2),
  }
}
