/**
 * How sure the identifier may be, and which languages it hears less well than others: chosen on development recordings,
 * whose sources are neither learnt from nor tested on.
 */
import type { LanguageIdConfig } from './config.js'
import type { LanguageClip } from './data/prepare.js'
import type { LanguageIdentifier } from './identifier.js'
import { LANGUAGES } from './languages.js'
import { probabilitiesOf } from './probabilities.js'
import { joinClips, UTTERANCE_SECONDS } from './utterances.js'

/** Of what is said to be sure, so much is to be right, in percent. */
const RIGHT_PERCENT = 90
const SCALES = [0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.5, 2, 3]
const THRESHOLDS = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
/** Of the squared offsets, in units of the scaled scores, in the loss: a language of few recordings keeps its place. */
const HOLD_BACK = 0.02
/** Of a language of which there is nothing. */
const LEAST_SHARE = 1e-3
/** The loss bends by less than 0.6 along any offset. */
const STEP = 1.5
const STEPS = 400

export type Tuning = Pick<LanguageIdConfig, 'tuning' | 'threshold'>

/** Before anything is chosen. */
export const UNTUNED: Tuning = {
  tuning: { offsets: LANGUAGES.map(() => 0), scale: 0.3 },
  threshold: 0.6,
}

/** What was heard of a recording. */
export interface Judged {
  /** Index in {@link LANGUAGES}. */
  readonly language: number
  /** In the order of {@link LANGUAGES}. */
  readonly scores: readonly number[]
  /** Counts in proportion. */
  readonly weight: number
}

/** The likeliest scale and offsets; with them the least threshold that is right often enough, or the highest. */
export async function chooseTuning(
  clips: readonly LanguageClip[],
  model: LanguageIdentifier,
): Promise<Tuning> {
  const judged = await judge(clips, model)
  const tuning = fitTuning(judged)
  const rightAbove = (threshold: number): number => {
    let right = 0
    let all = 0
    for (const { language, scores, weight } of judged) {
      const probabilities = probabilitiesOf(scores, tuning)
      const most = Math.max(...probabilities)
      if (most < threshold) continue
      all += weight
      if (probabilities[language] === most) right += weight
    }
    return all === 0 ? 0 : (100 * right) / all
  }
  const threshold = THRESHOLDS.find((each) => rightAbove(each) >= RIGHT_PERCENT) ?? THRESHOLDS.at(-1) ?? 1
  return { tuning, threshold }
}

/** Three digits of each. */
export function fitTuning(judged: readonly Judged[]): Tuning['tuning'] {
  const fits = SCALES.map((scale) => fitOffsets(judged, scale))
  const best = fits.reduce((least, each) => (each.loss < least.loss ? each : least))
  return { offsets: best.offsets.map((offset) => Number(offset.toPrecision(3))), scale: best.scale }
}

function fitOffsets(
  judged: readonly Judged[],
  scale: number,
): { readonly loss: number; readonly offsets: readonly number[]; readonly scale: number } {
  const all = judged.reduce((sum, { weight }) => sum + weight, 0)
  // How much there is of a language says nothing of how likely it is elsewhere: it is taken out of the offsets.
  const logShares = LANGUAGES.map((_, i) => {
    const own = judged.reduce((sum, { language, weight }) => sum + (language === i ? weight : 0), 0)
    return Math.log(Math.max(own / all, LEAST_SHARE))
  })
  let shifts = LANGUAGES.map(() => 0)
  let loss = 0
  for (let step = 0; step < STEPS; step++) {
    const gradient = shifts.map((shift) => 2 * HOLD_BACK * shift)
    loss = HOLD_BACK * shifts.reduce((sum, shift) => sum + shift ** 2, 0)
    for (const { language, scores, weight } of judged) {
      const offsets = shifts.map((shift, i) => (shift + (logShares[i] ?? 0)) / scale)
      const probabilities = probabilitiesOf(scores, { offsets, scale })
      loss -= (weight / all) * Math.log(Math.max(probabilities[language] ?? 0, 1e-12))
      probabilities.forEach((probability, i) => {
        gradient[i] = (gradient[i] ?? 0) + (weight / all) * (probability - (i === language ? 1 : 0))
      })
    }
    shifts = shifts.map((shift, i) => shift - STEP * (gradient[i] ?? 0))
  }
  return { loss, offsets: shifts.map((shift) => shift / scale), scale }
}

async function judge(clips: readonly LanguageClip[], model: LanguageIdentifier): Promise<readonly Judged[]> {
  const utterances = joinClips(clips, UTTERANCE_SECONDS)
  const nameOf = ({ source, language }: { source: string; language: string }): string =>
    `${source} ${language}`
  const judged: Judged[] = []
  for (const utterance of utterances) {
    const scores = await model.scores(utterance.features)
    if (scores === undefined) continue
    judged.push({
      language: (LANGUAGES as readonly string[]).indexOf(utterance.language),
      scores,
      // A source counts more the more it has, but not in proportion: it is one channel.
      weight: 1 / Math.sqrt(utterances.filter((each) => nameOf(each) === nameOf(utterance)).length),
    })
  }
  return judged
}

/** Mean over the sources of the share that is right, in percent. */
export async function accuracyOn(clips: readonly LanguageClip[], model: LanguageIdentifier): Promise<number> {
  const bySource = new Map<string, boolean[]>()
  for (const { features, language, source } of joinClips(clips, UTTERANCE_SECONDS)) {
    const [first] = (await model.ofFeatures(features)).labels
    const name = `${source} ${language}`
    const list = bySource.get(name) ?? []
    list.push(first?.language === language)
    bySource.set(name, list)
  }
  const shares = [...bySource.values()].map((list) => list.filter(Boolean).length / list.length)
  return (100 * shares.reduce((sum, share) => sum + share, 0)) / Math.max(1, shares.length)
}
