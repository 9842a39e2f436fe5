/**
 * How text is generated: generation_config.json, where it is silent config.json, where that is silent its decoder's
 * part. The names are the published ones; here they get units.
 */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readJsonObject } from '../../ml/files/read-json.js'
import { refuse } from '../../ml/files/refuse.js'
import { type JsonObject, parseConfig } from '../checkpoint/config-file.js'

export interface GenerationConfig {
  readonly startToken: number
  /** Any of these ends a sequence; the first is the one that is forced. */
  readonly endTokens: readonly number[]
  readonly padToken: number
  /** Tokens of a sequence at most, the start token counted. */
  readonly maxLength: number
  /** Tokens before the end may come, the start token counted. */
  readonly minLength: number
  /** 1: greedy. */
  readonly beams: number
  /** A finished sequence's score is its log p over its length to this power. */
  readonly lengthPenalty: number
  /** When a beam stops: as soon as enough sequences ended, by a heuristic, or only when none can be better. */
  readonly earlyStopping: boolean | 'never'
  /** No n-gram of this size twice; 0: allowed. */
  readonly noRepeatNgram: number
  readonly repetitionPenalty: number
  /** The first token after the start: the target language of a multilingual decoder. */
  readonly forcedFirstToken: number | undefined
  /** What stands at the last place where no end came before. */
  readonly forcedLastToken: number | undefined
  readonly suppressedTokens: readonly number[]
}

const token = z.number().int().nonnegative()

/** An option that changes what is said and is not supported: only values that change nothing pass. */
const none = (...neutral: readonly unknown[]) =>
  z
    .unknown()
    .refine((value) => neutral.includes(value) || (Array.isArray(value) && value.length === 0), {
      error: 'is not supported',
    })
    .optional()

const schema = z.object({
  decoder_start_token_id: token.optional(),
  bos_token_id: token.optional(),
  eos_token_id: z.union([token, z.array(token)]).optional(),
  pad_token_id: token.optional(),
  max_length: z.number().int().min(2).default(20),
  max_new_tokens: z.number().int().positive().optional(),
  min_length: z.number().int().nonnegative().default(0),
  min_new_tokens: z.number().int().nonnegative().optional(),
  num_beams: z.number().int().min(1).max(64).default(1),
  length_penalty: z.number().default(1),
  early_stopping: z.union([z.boolean(), z.literal('never')]).default(false),
  no_repeat_ngram_size: z.number().int().nonnegative().default(0),
  repetition_penalty: z.number().positive().default(1),
  forced_bos_token_id: token.optional(),
  forced_eos_token_id: z.union([token, z.array(token)]).optional(),
  suppress_tokens: z.array(token).optional(),
  do_sample: z.literal(false, { error: 'sampling is not supported' }).default(false),
  num_beam_groups: z.literal(1, { error: 'diverse beams are not supported' }).default(1),
  bad_words_ids: none(),
  begin_suppress_tokens: none(),
  constraints: none(),
  diversity_penalty: none(0),
  encoder_no_repeat_ngram_size: none(0),
  encoder_repetition_penalty: none(1),
  exponential_decay_length_penalty: none(),
  force_words_ids: none(),
  forced_decoder_ids: none(),
  guidance_scale: none(1),
  penalty_alpha: none(0),
  renormalize_logits: none(false),
  sequence_bias: none(),
})

/** Where both config.json and its decoder's part name a value, these defaults of config.json do not count. */
const SILENT: Readonly<Record<string, unknown>> = {
  max_length: 20,
  min_length: 0,
  num_beams: 1,
  length_penalty: 1,
  early_stopping: false,
  no_repeat_ngram_size: 0,
  repetition_penalty: 1,
  diversity_penalty: 0,
  encoder_no_repeat_ngram_size: 0,
}
/** The start token, which lengths count and numbers of new tokens do not. */
const GIVEN_TOKENS = 1

/** @throws UserError naming the file, for options out of range, not supported, or missing. */
export async function readGenerationConfig(directory: string): Promise<GenerationConfig> {
  const configPath = join(directory, 'config.json')
  const config = await readJsonObject(configPath)
  const path = join(directory, 'generation_config.json')
  const hasOwn = await access(path).then(
    () => true,
    () => false,
  )
  const own = hasOwn ? await readJsonObject(path) : {}
  return parseGenerationConfig(own, config, hasOwn ? path : configPath)
}

/** @param own of generation_config.json. @param config of config.json. */
export function parseGenerationConfig(own: JsonObject, config: JsonObject, path: string): GenerationConfig {
  const decoder = typeof config.decoder === 'object' && config.decoder !== null ? config.decoder : {}
  const fields: Record<string, unknown> = {}
  for (const name of Object.keys(schema.shape)) {
    const inner = (decoder as JsonObject)[name]
    const outer = config[name]
    const isSilent = outer === undefined || outer === null || outer === SILENT[name]
    const value = own[name] ?? (isSilent ? (inner ?? outer) : outer)
    if (value !== undefined && value !== null) fields[name] = value
  }
  const c = parseConfig(schema, fields, path)
  const endTokens = list(c.eos_token_id)
  const startToken = c.decoder_start_token_id ?? c.bos_token_id
  if (startToken === undefined) throw refuse(path, 'names no decoder_start_token_id')
  const [end] = endTokens
  if (end === undefined) throw refuse(path, 'names no eos_token_id')
  return {
    startToken,
    endTokens,
    padToken: c.pad_token_id ?? end,
    // Where both are named, the number of new tokens counts.
    maxLength: c.max_new_tokens === undefined ? c.max_length : GIVEN_TOKENS + c.max_new_tokens,
    minLength: c.min_new_tokens === undefined ? c.min_length : GIVEN_TOKENS + c.min_new_tokens,
    beams: c.num_beams,
    lengthPenalty: c.length_penalty,
    earlyStopping: c.early_stopping,
    noRepeatNgram: c.no_repeat_ngram_size,
    repetitionPenalty: c.repetition_penalty,
    forcedFirstToken: c.forced_bos_token_id,
    forcedLastToken: list(c.forced_eos_token_id)[0],
    suppressedTokens: c.suppress_tokens ?? [],
  }
}

const list = (value: number | readonly number[] | undefined): readonly number[] =>
  value === undefined ? [] : typeof value === 'number' ? [value] : value
