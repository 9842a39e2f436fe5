/** config.json of the language identifier. */
import { z } from 'zod'
import { LANGUAGES } from './definition.js'

export const LANGUAGE_ID_ARCHITECTURE = 'PlumblineLanguageId'

export const languageIdConfigSchema = z.object({
  model_type: z.literal('plumbline-language-id'),
  /** In the order of the output: weights made for others are not taken for these. */
  languages: z
    .array(z.string())
    .refine((list) => list.join() === LANGUAGES.join(), `are ${LANGUAGES.join(', ')} here`),
})
