/** What a trained recogniser writes of each language's clips, varied as in training: the phone statistics. */
import { Random } from '../../ml/train/random.js'
import { augment, drawSpeed } from '../asr-small/augment.js'
import { VARIETY } from './batches.js'
import type { LanguageClip } from './data/prepare.js'
import { PhoneHearing } from './hearing.js'
import { LANGUAGES } from './languages.js'
import { type Bigrams, estimateBigrams, heardPhones, scorePhones } from './phonotactics.js'

/** Clips of a language's source, and how long each is at least. */
const MOST_CLIPS = 300
const LEAST_FRAMES = 100
const LEAST_PHONES = 4
/** Phones that each source of a language counts for. */
const PHONES_OF_A_SOURCE = 5000

export interface LanguageStatistics {
  /** In the order of {@link LANGUAGES}, as the offsets. */
  readonly bigrams: readonly Bigrams[]
  /** What a language's score is too high by, whichever language is spoken. */
  readonly offsets: readonly number[]
}

/** @param weights of the recogniser, a file. @param clips of training. */
export async function gatherStatistics(
  weights: string,
  clips: readonly LanguageClip[],
  seed: number,
): Promise<LanguageStatistics> {
  const hearing = await PhoneHearing.open(weights)
  try {
    const written = []
    for (const language of LANGUAGES) {
      const sources: (readonly (readonly number[])[])[] = []
      const own = clips.filter((clip) => clip.language === language && clip.features.frames >= LEAST_FRAMES)
      for (const source of new Set(own.map((clip) => clip.source))) {
        const random = Random.named(seed, `statistics/${language}/${source}`)
        const some = random.shuffle(own.filter((clip) => clip.source === source)).slice(0, MOST_CLIPS)
        const heard: (readonly number[])[] = []
        for (const { features } of some) {
          const varied = augment(features, drawSpeed(random, VARIETY), random, VARIETY)
          const phones = heardPhones(await hearing.hearNormalised(varied))
          if (phones.length >= LEAST_PHONES) heard.push(phones)
        }
        sources.push(heard)
      }
      written.push(sources)
    }
    const bigrams = written.map((sources) =>
      estimateBigrams(
        sources.flatMap((heard) => {
          const weight =
            PHONES_OF_A_SOURCE /
            Math.max(
              1,
              heard.reduce((sum, { length }) => sum + length, 0),
            )
          return heard.map((phones) => ({ phones, weight }))
        }),
      ),
    )
    const means = written.map((sources) =>
      meanOf(sources.flat().map((phones) => scorePhones(phones, bigrams))),
    )
    return { bigrams, offsets: Array.from(meanOf(means), (value) => Number(value.toPrecision(5))) }
  } finally {
    await hearing.close()
  }
}

const meanOf = (rows: readonly Float64Array[]): Float64Array =>
  Float64Array.from(
    LANGUAGES,
    (_, i) => rows.reduce((sum, row) => sum + (row[i] ?? 0), 0) / Math.max(1, rows.length),
  )
