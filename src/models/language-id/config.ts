/** config.json of the language identifier: what was chosen on development recordings. */
import { z } from 'zod'
import { LANGUAGES } from './languages.js'
import { PHONE_CLASSES } from './phones.js'

export const LANGUAGE_ID_ARCHITECTURE = 'PlumblineLanguageId'

export const languageIdConfigSchema = z.object({
  model_type: z.literal('plumbline-language-id'),
  /** In the order of the output: weights made for others are not taken for these. */
  languages: z
    .array(z.string())
    .refine((list) => list.join() === LANGUAGES.join(), `are ${LANGUAGES.join(', ')} here`),
  classes: z.literal(PHONE_CLASSES),
  tuning: z.object({
    /** What is added to each language's score, for phones that are heard less well than others. */
    offsets: z.array(z.number().min(-100).max(100)).length(LANGUAGES.length),
    /** What the sums are multiplied by: how sure they may be. */
    scale: z.number().min(0).max(100),
  }),
  /** Least probability of the first language at which it is believed. */
  threshold: z.number().min(0).max(1),
})

export type LanguageIdConfig = z.output<typeof languageIdConfigSchema>
