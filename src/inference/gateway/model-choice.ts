/** Which model a request means. */
import type { Task } from '../catalogue/card.js'
import type { ServedModel } from '../job.js'
import { ApiError, badField } from './api-error.js'
import { languageOf } from './language.js'

/** Asks for whichever model fits, the cheapest first. */
export const ANY_MODEL = 'auto'
/** Of a SHA-256, after an `@`, where two models have one name: 48 bits. */
const DIGEST_CHARACTERS = 12
const MOST_SHOWN = 10

/** Once each: of several who offer the same files, the cheapest. */
export function distinctModels(models: readonly ServedModel[]): readonly ServedModel[] {
  const cheapest = new Map<string, ServedModel>()
  for (const model of models) {
    const known = cheapest.get(model.sha256)
    if (known === undefined || model.priceWeiPerUnit < known.priceWeiPerUnit)
      cheapest.set(model.sha256, model)
  }
  return [...cheapest.values()]
}

/** What each is called here: its own name, with a piece of its digest where others have the name, too. */
export function publicId(model: ServedModel, all: readonly ServedModel[]): string {
  const isUnique = all.every(({ id, sha256 }) => id !== model.id || sha256 === model.sha256)
  return isUnique ? model.id : `${model.id}@${model.sha256.slice(0, DIGEST_CHARACTERS)}`
}

function isCalled(model: ServedModel, name: string): boolean {
  return (
    model.id === name ||
    model.sha256 === name ||
    `${model.id}@${model.sha256.slice(0, DIGEST_CHARACTERS)}` === name
  )
}

/** By name, whatever it is for. @throws ApiError 404, 400 where two models have the name */
export function modelNamed(models: readonly ServedModel[], name: string): ServedModel {
  const [found, ...others] = models.filter((model) => isCalled(model, name))
  if (found === undefined)
    throw new ApiError(`there is no model called ${quoted(name)}; GET /v1/models lists them`, {
      status: 404,
      code: 'model_not_found',
      param: 'model',
    })
  // Whoever offers a model may call it as they like: a choice by price alone would be theirs, not the client's.
  if (others.length > 0)
    throw badField(
      'model',
      `${others.length + 1} models are called ${quoted(name)}; say which: ${[found, ...others]
        .slice(0, MOST_SHOWN)
        .map((each) => publicId(each, models))
        .join(', ')}`,
      'model_ambiguous',
    )
  return found
}

export interface WantedModel {
  readonly name: string
  readonly task: Task
  /** Only for the choice where any will do. */
  readonly language?: string | undefined
  /** Further conditions, with what it is for in words. */
  readonly suits?: (model: ServedModel) => boolean
  readonly purpose?: string
}

/** @throws ApiError 404, 400 */
export function chooseModel(models: readonly ServedModel[], wanted: WantedModel): ServedModel {
  const { name, task, language, suits = () => true, purpose = task } = wanted
  const all = distinctModels(models)
  const fitting = all.filter((model) => model.task === task && suits(model))
  if (name === ANY_MODEL) {
    const [first] = fitting
      .filter(({ languages }) => language === undefined || languageOf({ languages }, language) !== undefined)
      .sort((a, b) => Number(a.priceWeiPerUnit - b.priceWeiPerUnit))
    if (first !== undefined) return first
    throw new ApiError(
      `there is no model to ${purpose}${language === undefined ? '' : ` in ${quoted(language)}`}`,
      { status: 404, code: 'model_not_found', param: 'model' },
    )
  }
  const model = modelNamed(all, name)
  if (fitting.includes(model)) return model
  const others = fitting.slice(0, MOST_SHOWN).map((each) => publicId(each, all))
  throw badField(
    'model',
    `${quoted(name)} is no model to ${purpose}${others.length === 0 ? '' : `; these are: ${others.join(', ')}`}`,
    'model_unsuitable',
  )
}

const quoted = (name: string): string => JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name)
