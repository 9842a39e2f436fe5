/** From shares of phones to languages: a softmax regression, held back strongly, since few speakers taught it. */
import { z } from 'zod'
import { readJsonObject } from '../../ml/files/read-json.js'
import { refuse } from '../../ml/files/refuse.js'
import { LANGUAGES } from './languages.js'
import { SHARES } from './phone-shares.js'

/** Of a language: a weight for each share, then a constant. */
export type LanguageWeights = Float64Array

export interface Example {
  readonly shares: Float64Array
  /** Index in {@link LANGUAGES}. */
  readonly language: number
  readonly weight: number
}

/** Of the squared weights, in the loss; chosen on development recordings. */
const HOLD_BACK = 0.1
/** The loss bends by less than 1.2 in any direction, so steps of this length cannot overshoot. */
const STEP = 0.8
const STEPS = 1500

/** @param examples weights count in proportion. @returns in the order of {@link LANGUAGES}. */
export function fitClassifier(examples: readonly Example[]): readonly LanguageWeights[] {
  const all = examples.reduce((sum, { weight }) => sum + weight, 0)
  const fitted = LANGUAGES.map(() => new Float64Array(SHARES + 1))
  for (let step = 0; step < STEPS; step++) {
    const gradients = fitted.map((own) => own.map((value, i) => (i < SHARES ? 2 * HOLD_BACK * value : 0)))
    for (const { shares, language, weight } of examples) {
      const probabilities = probabilitiesOf(scoreShares(shares, fitted))
      gradients.forEach((gradient, k) => {
        const error = (((probabilities[k] ?? 0) - (k === language ? 1 : 0)) * weight) / all
        for (let i = 0; i < SHARES; i++) gradient[i] = (gradient[i] ?? 0) + error * (shares[i] ?? 0)
        gradient[SHARES] = (gradient[SHARES] ?? 0) + error
      })
    }
    fitted.forEach((own, k) => {
      for (let i = 0; i <= SHARES; i++) own[i] = (own[i] ?? 0) - STEP * (gradients[k]?.[i] ?? 0)
    })
  }
  return fitted
}

/** What speaks for each language, in the order of {@link LANGUAGES}. */
export const scoreShares = (
  shares: Float64Array,
  classifier: readonly LanguageWeights[],
): readonly number[] =>
  classifier.map((own) => {
    let score = own[SHARES] ?? 0
    for (let i = 0; i < SHARES; i++) score += (own[i] ?? 0) * (shares[i] ?? 0)
    return score
  })

/** Softmax. */
export function probabilitiesOf(scores: readonly number[], scale = 1): readonly number[] {
  const most = Math.max(...scores)
  const likelihoods = scores.map((score) => Math.exp(scale * (score - most)))
  const total = likelihoods.reduce((sum, value) => sum + value, 0)
  return likelihoods.map((value) => value / total)
}

export const CLASSIFIER_FILE = 'classifier.json'

const fileSchema = z.record(
  z.enum(LANGUAGES),
  z
    .array(z.number().min(-1000).max(1000))
    .length(SHARES + 1)
    .transform((values) => Float64Array.from(values)),
)

/** Five digits of each weight. @param classifier in the order of {@link LANGUAGES}. */
export function formatClassifier(classifier: readonly LanguageWeights[]): string {
  const entries = LANGUAGES.map((language, i) => {
    const values = Array.from(classifier[i] ?? [], (value) => Number(value.toPrecision(5)))
    return `  ${JSON.stringify(language)}: ${JSON.stringify(values)}`
  })
  return `{\n${entries.join(',\n')}\n}\n`
}

/** @returns in the order of {@link LANGUAGES}. @throws UserError where the file is not there or damaged. */
export async function readClassifier(path: string): Promise<readonly LanguageWeights[]> {
  const { data } = fileSchema.safeParse(await readJsonObject(path))
  if (data === undefined)
    throw refuse(path, 'does not hold weights of the languages', {
      remedy: 'take the file that was published with the weights',
    })
  return LANGUAGES.map((language) => data[language])
}
