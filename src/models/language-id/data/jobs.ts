/** Everything that goes into the language identifier's data, in a fixed order. */
import { Random } from '../../../ml/train/random.js'
import { LANGUAGES, type Language } from '../languages.js'
import { heldOutRecordings } from './held-out.js'
import { promptRecordings, stampRecordings } from './recordings.js'
import { readHandbook } from './sentences.js'
import { drawEspeakVoice } from './speech.js'

export interface Job {
  readonly id: string
  /** One of {@link LANGUAGES}, or of a speaker who is heard for the phones alone. */
  readonly language: string
  readonly split: 'train' | 'dev' | 'test'
  readonly source: string
  readonly speaker: string
  readonly from:
    | { readonly path: string; readonly slice?: { readonly offset: number; readonly size: number } }
    | { readonly engine: 'espeak-ng' | 'festival' | 'flite'; readonly voice: string }
  /** Of training clips: what is said, and whose rules of pronunciation it follows (a voice of espeak-ng). */
  readonly said?: { readonly text: string; readonly rules: string }
}

export interface LanguageDataRecipe {
  /** Raised where sources or phones change: data of another edition is not gone on with. */
  readonly edition: number
  readonly seed: number
  /** Sentences of the handbook that espeak-ng speaks, of each language. */
  readonly espeakSentences: number
  /** That each better voice speaks. */
  readonly voiceSentences: number
}

export const LANGUAGE_DATA: LanguageDataRecipe = {
  edition: 2,
  seed: 1,
  espeakSentences: 420,
  voiceSentences: 90,
}

/**
 * Stretches of the shuffled sentences: espeak-ng's, then each better voice's. They have a fixed length, so that a change of one's share leaves the others' as they are.
 */
const ESPEAK_STRETCH = 700
const VOICE_STRETCH = 120

/** Voices made of people's recordings. */
const BETTER_VOICES = [
  { language: 'it', engine: 'festival', voice: 'lp_diphone' },
  { language: 'it', engine: 'festival', voice: 'pc_diphone' },
  { language: 'en', engine: 'flite', voice: 'slt' },
  { language: 'en', engine: 'flite', voice: 'awb' },
  { language: 'en', engine: 'flite', voice: 'rms' },
  { language: 'en', engine: 'flite', voice: 'kal16' },
] as const

/** How the recordings' speakers pronounce; a language that is not here follows its own name. */
const RULES: Readonly<Record<string, string>> = { en: 'en-us', es: 'es-419' }
export const rulesOf = (language: string): string => RULES[language] ?? language

/** @param unpacked the folder of packages that are not installed. @throws Error where a source is missing. */
export async function planJobs(recipe: LanguageDataRecipe, unpacked: string): Promise<readonly Job[]> {
  const { seed } = recipe
  const handbook = await readHandbook()
  const recordings = [...(await promptRecordings()), ...(await stampRecordings())]
  const jobs: Job[] = recordings.map(({ id, language, source, speaker, path, text }) => ({
    id: `${source}/${id}`,
    language,
    split: 'train',
    source,
    speaker,
    from: { path },
    said: { text, rules: rulesOf(language) },
  }))
  for (const language of LANGUAGES) {
    const random = Random.named(seed, `sentences/${language}`)
    const sentences = random.shuffle([...(handbook.get(language) ?? [])])
    const stretch = (from: number, count: number): readonly string[] => sentences.slice(from, from + count)
    for (const [i, text] of stretch(0, recipe.espeakSentences).entries()) {
      const voice = drawEspeakVoice(language, random)
      const id = `synthetic/${language}/espeak-ng/${i}`
      jobs.push(synthetic(id, language, 'espeak-ng', voice, text, voice.replace(/\+.*$/, '')))
    }
    const voices = BETTER_VOICES.filter((each) => each.language === language)
    for (const [k, { engine, voice }] of voices.entries())
      for (const [i, text] of stretch(ESPEAK_STRETCH + k * VOICE_STRETCH, recipe.voiceSentences).entries())
        jobs.push(
          synthetic(`synthetic/${language}/${voice}/${i}`, language, engine, voice, text, rulesOf(language)),
        )
  }
  for (const { path, slice, ...about } of await heldOutRecordings(seed, unpacked))
    jobs.push({ ...about, from: { path, ...(slice === undefined ? {} : { slice }) } })
  return jobs
}

const synthetic = (
  id: string,
  language: Language,
  engine: 'espeak-ng' | 'festival' | 'flite',
  voice: string,
  text: string,
  rules: string,
): Job => ({
  id,
  language,
  split: 'train',
  source: engine,
  speaker: `${engine}-${voice}`,
  from: { engine, voice },
  said: { text, rules },
})
