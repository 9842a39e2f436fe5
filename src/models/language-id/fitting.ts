/** What a trained recogniser hears of each language's clips, varied as in training, and the classifier of that. */
import { Random } from '../../ml/train/random.js'
import { augment, drawSpeed } from '../asr-small/augment.js'
import { VARIETY } from './batches.js'
import { type Example, fitClassifier, type LanguageWeights } from './classifier.js'
import type { LanguageClip } from './data/prepare.js'
import { PhoneHearing } from './hearing.js'
import { LANGUAGES } from './languages.js'
import { phoneShares } from './phone-shares.js'
import { joinClips, UTTERANCE_SECONDS } from './utterances.js'

/** Of a language's source. */
const MOST_CLIPS = 300
const LEAST_FRAMES = 100

/**
 * Each language counts alike, and each source of a language: how many recordings there are of a speaker says nothing.
 * @param weights of the recogniser, a file. @param clips of training. @returns in the order of {@link LANGUAGES}.
 * @throws RangeError where nothing is heard of a language.
 */
export async function fitLanguages(
  weights: string,
  clips: readonly LanguageClip[],
  seed: number,
): Promise<readonly LanguageWeights[]> {
  const hearing = await PhoneHearing.open(weights)
  try {
    const examples: Example[] = []
    for (const [index, language] of LANGUAGES.entries()) {
      const own = clips.filter((clip) => clip.language === language && clip.features.frames >= LEAST_FRAMES)
      const sources: (readonly Float64Array[])[] = []
      for (const source of new Set(own.map((clip) => clip.source))) {
        const random = Random.named(seed, `classifier/${language}/${source}`)
        const heard = await hearSource(
          own.filter((clip) => clip.source === source),
          hearing,
          random,
        )
        if (heard.length > 0) sources.push(heard)
      }
      if (sources.length === 0) throw new RangeError(`nothing is heard of the clips in ${language}`)
      for (const heard of sources) {
        const weight = 1 / (sources.length * heard.length)
        examples.push(...heard.map((shares) => ({ shares, language: index, weight })))
      }
    }
    return fitClassifier(examples)
  } finally {
    await hearing.close()
  }
}

async function hearSource(
  clips: readonly LanguageClip[],
  hearing: PhoneHearing,
  random: Random,
): Promise<readonly Float64Array[]> {
  const drawn = new Set(random.shuffle([...clips]).slice(0, MOST_CLIPS))
  const utterances = joinClips(
    clips.filter((clip) => drawn.has(clip)),
    UTTERANCE_SECONDS,
  )
  const heard: Float64Array[] = []
  for (const { features } of utterances) {
    const varied = augment(features, drawSpeed(random, VARIETY), random, VARIETY)
    const shares = phoneShares(await hearing.hearNormalised(varied))
    if (shares !== undefined) heard.push(shares)
  }
  return heard
}
