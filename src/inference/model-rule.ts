/**
 * Which of the models that are offered is meant. Whoever offers one may call it as they like and ask as little as they
 * like, so that neither a name nor a price alone chooses: a name that is used here means the files that have it here,
 * and where none is named, models that are known here come before all others, however cheap those are.
 */
import type { ServedModel } from './job.js'

/** Of a SHA-256, after an `@`, where a name alone does not tell: 48 bits. */
const DIGEST_CHARACTERS = 12

/** Whether this machine knows its files, or runs it by itself. */
export const isKnownHere = ({ standing }: ServedModel): boolean =>
  standing === undefined || standing.names.length > 0

export const longId = ({ id, sha256 }: ServedModel): string => `${id}@${sha256.slice(0, DIGEST_CHARACTERS)}`

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

/** What each is called here: its own name, with a piece of its digest where the name alone does not tell. */
export const publicId = (model: ServedModel, all: readonly ServedModel[]): string => publicIds(all)(model)

/** The same of many: strangers offer tens of thousands. */
export function publicIds(all: readonly ServedModel[]): (model: ServedModel) => string {
  const hashes = new Map<string, string>()
  const shared = new Set<string>()
  for (const { id, sha256 } of all) {
    if ((hashes.get(id) ?? sha256) !== sha256) shared.add(id)
    hashes.set(id, sha256)
  }
  return (model) => {
    const { id, sha256, standing } = model
    if (standing !== undefined && standing.names.length > 0) return id
    const isUnique = !shared.has(id) && (hashes.get(id) ?? sha256) === sha256
    return isUnique && standing?.isNamesake !== true ? id : longId(model)
  }
}

export type Choice =
  | { readonly kind: 'found'; readonly model: ServedModel }
  | { readonly kind: 'absent' }
  /** Several have the name, and none of them is known here. */
  | { readonly kind: 'ambiguous'; readonly models: readonly ServedModel[] }
  /** The name means files that are known here; others are offered under it. */
  | { readonly kind: 'namesakes'; readonly models: readonly ServedModel[] }
  /** There are some that nobody here knows, and none was named. */
  | { readonly kind: 'unknown'; readonly models: readonly ServedModel[] }

/** @param models each once; @param name a name, a whole SHA-256, or `name@<12 digits>` */
export function chooseByName(models: readonly ServedModel[], name: string): Choice {
  const exact = models.find((model) => model.sha256 === name.toLowerCase() || longId(model) === name)
  const known = models.find(({ standing }) => standing?.names.includes(name) === true)
  const model = exact ?? known
  if (model !== undefined) return { kind: 'found', model }
  const called = models.filter(({ id, standing }) => id === name && (standing?.names.length ?? 0) === 0)
  const [only] = called
  if (only === undefined) return { kind: 'absent' }
  if (called.some(({ standing }) => standing?.isNamesake === true))
    return { kind: 'namesakes', models: called }
  return called.length === 1 ? { kind: 'found', model: only } : { kind: 'ambiguous', models: called }
}

/**
 * The cheapest that is known here; of the others only where that is wanted.
 * @param models each once, all of which would do
 * @param isAnyTaken whoever asks has said that a model nobody here knows will do
 */
export function chooseUnnamed(models: readonly ServedModel[], isAnyTaken: boolean): Choice {
  const cheapestFirst = models.toSorted((a, b) =>
    a.priceWeiPerUnit === b.priceWeiPerUnit ? 0 : a.priceWeiPerUnit < b.priceWeiPerUnit ? -1 : 1,
  )
  const model = cheapestFirst.find(isKnownHere) ?? (isAnyTaken ? cheapestFirst[0] : undefined)
  if (model !== undefined) return { kind: 'found', model }
  return models.length === 0 ? { kind: 'absent' } : { kind: 'unknown', models: cheapestFirst }
}
