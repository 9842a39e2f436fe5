/** Which model a request means, by the rule of src/inference/model-rule.ts, and what is said where it means none. */
import type { Task } from '../catalogue/card.js'
import type { ServedModel } from '../job.js'
import { languageOf } from '../language-name.js'
import {
  type Choice,
  chooseByName,
  chooseUnnamed,
  distinctModels,
  isKnownHere,
  longId,
  publicIds,
} from '../model-rule.js'
import { ApiError, badField } from './api-error.js'

/** Asks for whichever model fits: the cheapest that is known here. */
export const ANY_MODEL = 'auto'
const MOST_SHOWN = 10

/** By name, whatever it is for. @param models each once. @throws ApiError 404, 400 where the name does not tell */
export function modelNamed(models: readonly ServedModel[], name: string): ServedModel {
  const choice = chooseByName(models, name)
  if (choice.kind === 'found') return choice.model
  throw unclear(choice, quoted(name), models)
}

export interface WantedModel {
  readonly name: string
  readonly task: Task
  /** Only for the choice where any will do. */
  readonly language?: string | undefined
  /** Further conditions, with what it is for in words. */
  readonly suits?: (model: ServedModel) => boolean
  readonly purpose?: string
  /** Whether any may be one that nobody here knows. */
  readonly isAnyTaken: boolean
}

/** @throws ApiError 404, 400 */
export function chooseModel(models: readonly ServedModel[], wanted: WantedModel): ServedModel {
  const { name, task, language, suits = () => true, purpose = task, isAnyTaken } = wanted
  const all = distinctModels(models)
  const fitting = all.filter((model) => model.task === task && suits(model))
  if (name === ANY_MODEL) {
    const hears = ({ languages }: ServedModel): boolean =>
      language === undefined || languageOf({ languages }, language) !== undefined
    // What strangers offer is looked at where that does not suffice: they have as many languages as they like.
    const known = chooseUnnamed(fitting.filter(isKnownHere).filter(hears), false)
    if (known.kind === 'found') return known.model
    const choice = chooseUnnamed(fitting.filter(hears), isAnyTaken)
    if (choice.kind === 'found') return choice.model
    throw unclear(choice, `to ${purpose}${language === undefined ? '' : ` in ${quoted(language)}`}`, all)
  }
  const model = modelNamed(all, name)
  if (fitting.includes(model)) return model
  const others = shown(fitting, publicIds(all))
  throw badField(
    'model',
    `${quoted(name)} is no model to ${purpose}${others === '' ? '' : `; these are: ${others}`}`,
    'model_unsuitable',
  )
}

/** @param what a name, or what a model is for */
function unclear(
  choice: Exclude<Choice, { readonly kind: 'found' }>,
  what: string,
  all: readonly ServedModel[],
): ApiError {
  switch (choice.kind) {
    case 'absent':
      return notFound(
        what.startsWith('to ')
          ? `there is no model ${what}`
          : `there is no model called ${what}; GET /v1/models lists them`,
      )
    case 'ambiguous':
      return badField(
        'model',
        `${choice.models.length} models are called ${what}; say which: ${shown(choice.models, longId)}`,
        'model_ambiguous',
      )
    case 'namesakes':
      return notFound(
        `nobody offers the ${what} that this machine knows, but other files of that name; to have one of those, name ` +
          `it: ${shown(choice.models, longId)}`,
      )
    case 'unknown':
      return notFound(
        `nobody offers a model ${what} that this machine knows; name one of these: ` +
          `${shown(choice.models, publicIds(all))}, or start the gateway with --any-model`,
      )
  }
}

const notFound = (message: string): ApiError =>
  new ApiError(message, { status: 404, code: 'model_not_found', param: 'model' })

const shown = (models: readonly ServedModel[], name: (model: ServedModel) => string): string =>
  models.slice(0, MOST_SHOWN).map(name).join(', ')

const quoted = (name: string): string => JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name)
