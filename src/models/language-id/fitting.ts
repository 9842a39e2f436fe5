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
      const sources = [...new Set(own.map(({ source }) => source))]
      for (const source of sources) {
        const random = Random.named(seed, `classifier/${language}/${source}`)
        const ofSource = own.filter((clip) => clip.source === source)
        const drawn = new Set(random.shuffle([...ofSource]).slice(0, MOST_CLIPS))
        const heard: Float64Array[] = []
        for (const { features } of joinClips(
          ofSource.filter((clip) => drawn.has(clip)),
          UTTERANCE_SECONDS,
        )) {
          const varied = augment(features, drawSpeed(random, VARIETY), random, VARIETY)
          const shares = phoneShares(await hearing.hearNormalised(varied))
          if (shares !== undefined) heard.push(shares)
        }
        const weight = 1 / (sources.length * heard.length)
        examples.push(...heard.map((shares) => ({ shares, language: index, weight })))
      }
    }
    return fitClassifier(examples)
  } finally {
    await hearing.close()
  }
}
