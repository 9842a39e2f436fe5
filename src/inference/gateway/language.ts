/** The language that a client asks for, as the model's card has it. */
import type { ServedModel } from '../job.js'
import { languageOf } from '../language-name.js'
import { badField } from './api-error.js'

const MOST_SHOWN = 20

/**
 * What the job has to say of the language: nothing where the model has one alone, the client's word where the model does
 * not say which it has.
 * @throws ApiError for a language that it does not have
 */
export function jobLanguage(model: ServedModel, wanted: string | undefined): string | undefined {
  if (wanted === undefined || model.languages.length === 0) return wanted
  const language = languageOf(model, wanted)
  if (language === undefined) {
    const { languages, id } = model
    const rest = languages.length > MOST_SHOWN ? ` and ${languages.length - MOST_SHOWN} more` : ''
    throw badField(
      'language',
      `${id} has ${languages.slice(0, MOST_SHOWN).join(', ')}${rest}`,
      'unsupported_language',
    )
  }
  return model.languages.length > 1 ? language : undefined
}
