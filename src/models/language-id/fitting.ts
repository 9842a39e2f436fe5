/** What goes with a trained recogniser: how often it hears each phone, and which phones follow which in each language. */
import { Random } from '../../ml/train/random.js'
import { augment, drawSpeed } from '../asr-small/augment.js'
import { VARIETY } from './batches.js'
import type { LanguageClip, LanguageSentence } from './data/prepare.js'
import { PhoneHearing } from './hearing.js'
import { LANGUAGES } from './languages.js'
import { PHONE_CLASSES } from './phones.js'
import { countBigrams, PHONE_COUNT, type Phonotactics, scaleToOne } from './phonotactics.js'

/** Of a language's source: more would tell the same. */
const MOST_CLIPS = 100
const LEAST_FRAMES = 100

/**
 * @param weights of the recogniser, a file. @param clips of training, heard as varied as in training.
 * @throws RangeError where a language has no clip or no sentence.
 */
export async function fitPhonotactics(
  weights: string,
  clips: readonly LanguageClip[],
  sentences: readonly LanguageSentence[],
  seed: number,
): Promise<Phonotactics> {
  const languages = LANGUAGES.map((language) => {
    const own = sentences.filter((sentence) => sentence.language === language)
    if (own.length === 0) throw new RangeError(`there are no sentences in ${language}`)
    return countBigrams(own.map(({ phones }) => phones))
  })
  const heard = new Float64Array(PHONE_COUNT).fill(1)
  const hearing = await PhoneHearing.open(weights)
  try {
    for (const language of LANGUAGES) {
      const own = clips.filter((clip) => clip.language === language && clip.features.frames >= LEAST_FRAMES)
      if (own.length === 0) throw new RangeError(`there are no clips in ${language}`)
      for (const source of new Set(own.map((clip) => clip.source))) {
        const random = Random.named(seed, `heard/${language}/${source}`)
        const some = random.shuffle(own.filter((clip) => clip.source === source)).slice(0, MOST_CLIPS)
        for (const { features } of some) {
          const varied = augment(features, drawSpeed(random, VARIETY), random, VARIETY)
          addHeard(heard, await hearing.hearNormalised(varied))
        }
      }
    }
  } finally {
    await hearing.close()
  }
  scaleToOne(heard)
  return { heard, languages }
}

function addHeard(heard: Float64Array, logProbabilities: Float32Array): void {
  for (let from = 0; from < logProbabilities.length; from += PHONE_CLASSES)
    for (let phone = 0; phone < PHONE_COUNT; phone++)
      heard[phone] = (heard[phone] ?? 0) + Math.exp(logProbabilities[from + 1 + phone] ?? 0)
}
