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
    /** How much of each phone's evidence counts: what is heard twice wrongly is not heard independently. */
    scale: z.number().min(0).max(10),
    /** Of each language, what its mean score is too high by. */
    offsets: z.array(z.number().min(-10).max(10)).length(LANGUAGES.length),
  }),
  /** Least probability of the first language at which it is believed. */
  threshold: z.number().min(0).max(1),
})

export type LanguageIdConfig = z.output<typeof languageIdConfigSchema>
