/** config.json of the recogniser: the network's sizes, and what was chosen on development recordings. */
import { z } from 'zod'
import { MELS } from './features.js'
import { CLASSES } from './text.js'

export const ASR_SMALL_ARCHITECTURE = 'PlumblineAsrSmall'

const small = z.number().int().min(1).max(4096)

/** Weight of the language model and reward of a word. */
const dictation = z.object({ alpha: z.number().min(0).max(10), beta: z.number().min(-10).max(10) })
/** Least confidence at which a sentence of a closed grammar is believed. */
const grammar = z.object({ threshold: z.number().min(0).max(1) })

export const asrSmallConfigSchema = z.object({
  model_type: z.literal('plumbline-asr-small'),
  mels: z.literal(MELS),
  width: small,
  heads: small,
  blocks: small,
  kernel: small.refine((value) => value % 2 === 1, 'is odd'),
  expansion: small,
  classes: z.literal(CLASSES),
  /**
   * Whether bands that a sound does not reach are silent to it (features.ts). In the configuration, and so in the model's
   * hash: what two nodes run under one hash hears the same.
   */
  skips_empty_bands: z.boolean().default(false),
  // What a model has before `npm run bench -- asr-small --write-card` has chosen for it.
  dictation: dictation.default({ alpha: 0.7, beta: 1.5 }),
  grammar: grammar.default({ threshold: 0.7 }),
})

export type ServedConfig = z.output<typeof asrSmallConfigSchema>
