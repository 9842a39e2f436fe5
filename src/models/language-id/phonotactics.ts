/**
 * Which phone follows which, in each language, as the recogniser writes them: its own habits and mistakes are part of
 * the statistics (Zissman 1996, phone recognition followed by language modelling).
 */
import { z } from 'zod'
import { readJsonObject } from '../../ml/files/read-json.js'
import { refuse } from '../../ml/files/refuse.js'
import { LANGUAGES } from './languages.js'
import { BLANK, PHONE_CLASSES } from './phones.js'

/** Of a language: probabilities [before, phone], PHONE_CLASSES each; before the first phone stands class 0. */
export type Bigrams = Float64Array

/** A phone's own frequency counts as if it had been seen so often after each other phone. */
const PRIOR = 40
/** And each phone so often. */
const UNIFORM = 0.5
const C = PHONE_CLASSES

export interface WeightedPhones {
  readonly phones: readonly number[]
  readonly weight: number
}

export function estimateBigrams(sequences: Iterable<WeightedPhones>): Bigrams {
  const single = new Float64Array(C).fill(UNIFORM)
  single[BLANK] = 0
  const pairs = new Float64Array(C * C)
  for (const { phones, weight } of sequences) {
    let before = BLANK
    for (const phone of phones) {
      single[phone] = (single[phone] ?? 0) + weight
      pairs[before * C + phone] = (pairs[before * C + phone] ?? 0) + weight
      before = phone
    }
  }
  const all = single.reduce((sum, count) => sum + count, 0)
  for (let before = 0; before < C; before++) {
    const row = pairs.subarray(before * C, (before + 1) * C)
    const seen = row.reduce((sum, count) => sum + count, 0)
    for (let phone = 0; phone < C; phone++)
      row[phone] = ((row[phone] ?? 0) + (PRIOR * (single[phone] ?? 0)) / all) / (seen + PRIOR)
  }
  return pairs
}

/** The likeliest phone of each frame, repeats merged, blanks dropped. @param logProbabilities [frames, PHONE_CLASSES]. */
export function heardPhones(logProbabilities: Float32Array): readonly number[] {
  const phones: number[] = []
  let last = BLANK
  for (let from = 0; from < logProbabilities.length; from += C) {
    let best = BLANK
    for (let each = 1; each < C; each++)
      if ((logProbabilities[from + each] ?? 0) > (logProbabilities[from + best] ?? 0)) best = each
    if (best !== last && best !== BLANK) phones.push(best)
    last = best
  }
  return phones
}

/**
 * Mean logarithm of a phone's probability in each language, in their order, less the mean over all languages.
 * @param phones at least one.
 */
export function scorePhones(phones: readonly number[], bigrams: readonly Bigrams[]): Float64Array {
  const scores = Float64Array.from(bigrams, (own) => {
    let sum = 0
    let before = BLANK
    for (const phone of phones) {
      sum += Math.log(own[before * C + phone] ?? 0)
      before = phone
    }
    return sum / phones.length
  })
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length
  return scores.map((score) => score - mean)
}

export const PHONOTACTICS_FILE = 'phonotactics.json'

const fileSchema = z.record(
  z.enum(LANGUAGES),
  z
    .array(z.number().min(1e-12).max(1).or(z.literal(0)))
    .length(C * C)
    .transform((values) => Float64Array.from(values)),
)

/** Five digits of each probability. @param bigrams in the order of {@link LANGUAGES}. */
export function formatPhonotactics(bigrams: readonly Bigrams[]): string {
  const entries = LANGUAGES.map((language, i) => {
    const values = Array.from(bigrams[i] ?? [], (value) => Number(value.toPrecision(5)))
    return `  ${JSON.stringify(language)}: ${JSON.stringify(values)}`
  })
  return `{\n${entries.join(',\n')}\n}\n`
}

/** @returns in the order of {@link LANGUAGES}. @throws UserError where the file is not there or damaged. */
export async function readPhonotactics(path: string): Promise<readonly Bigrams[]> {
  const { data } = fileSchema.safeParse(await readJsonObject(path))
  if (data === undefined)
    throw refuse(path, 'does not hold phone statistics', {
      remedy: 'take the file that was published with the weights',
    })
  return LANGUAGES.map((language) => data[language])
}
