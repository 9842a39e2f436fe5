/**
 * How sure the identifier may be: chosen on development recordings, whose sources are neither learnt from nor tested
 * on. Which language comes first does not depend on it.
 */
import { probabilitiesOf } from './classifier.js'
import type { LanguageClip } from './data/prepare.js'
import type { LanguageIdentifier } from './identifier.js'
import { LANGUAGES } from './languages.js'
import { joinClips, UTTERANCE_SECONDS } from './utterances.js'

/** Of what is said to be sure, so much is to be right, in percent. */
const RIGHT_PERCENT = 90
const SCALES = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70]
const THRESHOLDS = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]

export interface Tuning {
  readonly scale: number
  readonly threshold: number
}

interface Judged {
  readonly language: string
  readonly probability: (language: string, scale: number) => number
  /** So that each source counts alike. */
  readonly weight: number
}

/** The likeliest scale; with it the least threshold that is right often enough, or the highest. */
export async function chooseTuning(
  clips: readonly LanguageClip[],
  model: LanguageIdentifier,
): Promise<Tuning> {
  const judged = await judge(clips, model)
  const likelihood = (scale: number): number =>
    judged.reduce(
      (sum, { language, probability, weight }) => sum + weight * Math.log(probability(language, scale)),
      0,
    )
  const scale = SCALES.reduce((best, each) => (likelihood(each) > likelihood(best) ? each : best))
  const rightAbove = (threshold: number): number => {
    let right = 0
    let all = 0
    for (const { language, probability, weight } of judged) {
      const most = Math.max(...LANGUAGES.map((each) => probability(each, scale)))
      if (most < threshold) continue
      all += weight
      if (probability(language, scale) === most) right += weight
    }
    return all === 0 ? 0 : (100 * right) / all
  }
  const threshold = THRESHOLDS.find((each) => rightAbove(each) >= RIGHT_PERCENT) ?? THRESHOLDS.at(-1) ?? 1
  return { scale, threshold }
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
      language: utterance.language,
      weight: 1 / utterances.filter((each) => nameOf(each) === nameOf(utterance)).length,
      probability: (language, scale) =>
        probabilitiesOf(scores, scale)[(LANGUAGES as readonly string[]).indexOf(language)] ?? 0,
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
