/**
 * Speech in seven languages from two kinds of source that share no speaker: synthetic voices to learn from, people to
 * be tested on. The texts are the dialogues of a game that was translated into all of them; the people of Dutch and
 * Czech read other levels of it than the synthetic voices, the people of the others read telephone prompts.
 */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Random } from '../../ml/train/random.js'
import { isSpoken, type PromptLanguage, readPrompts } from '../asr-small/data/prompts.js'
import { LANGUAGES, type Language } from './definition.js'

const execute = promisify(execFile)
const GAME = '/usr/share/games/fillets-ng'
/** espeak-ng's names for the languages, with regional voices where it has them. */
const VOICES: Readonly<Record<Language, readonly string[]>> = {
  en: ['en-us', 'en-gb', 'en-gb-scotland'],
  fr: ['fr', 'fr-be', 'fr-ch'],
  es: ['es', 'es-419'],
  it: ['it'],
  ru: ['ru'],
  nl: ['nl'],
  cs: ['cs'],
}
/** Throats of espeak-ng: formants, pitch and breath differ. */
const VARIANTS = [
  '',
  '+m1',
  '+m2',
  '+m3',
  '+m4',
  '+m5',
  '+m6',
  '+m7',
  '+m8',
  '+f1',
  '+f2',
  '+f3',
  '+f4',
  '+f5',
  '+klatt',
  '+klatt2',
  '+klatt4',
  '+anika',
  '+belinda',
  '+linda',
  '+Annie',
  '+Andrea',
  '+steph',
  '+john',
  '+rob',
  '+iven',
  '+michel',
  '+norbert',
  '+travis',
  '+Alicia',
]
const TIMEOUT_MS = 30_000
const LONGEST_TEXT = 140
const LEAST_PROMPT = 20

export interface LanguageJob {
  readonly id: string
  readonly language: Language
  /** People are split by sentence: what a recipe's author chooses is chosen on `dev`, figures are of `test`. */
  readonly split: 'train' | 'dev' | 'test'
  readonly source: 'espeak-ng' | 'asterisk' | 'fillets'
  readonly speaker: string
  readonly from: { readonly path: string } | { readonly text: string; readonly voice: string }
}

export interface LanguageRecipe {
  readonly seed: number
  readonly trainPerLanguage: number
  /** Of people; where there are fewer than both together, both shrink alike. */
  readonly devPerLanguage: number
  readonly testPerLanguage: number
}

export const LANGUAGE_DATA: LanguageRecipe = {
  seed: 1,
  trainPerLanguage: 400,
  devPerLanguage: 40,
  testPerLanguage: 60,
}

/** Game levels whose people are tested on; the synthetic voices read the others. */
const isTestLevel = (level: string): boolean => Random.named(1, `level/${level}`).uniform() < 0.5

/**
 * What is said in a level, of its Lua file: `dialogStr("...")`, and in English, which the others were translated
 * from, the third argument of `dialogId("name", "font", "...")`.
 */
export function dialogTexts(lua: string, language: Language): readonly string[] {
  const pattern =
    language === 'en'
      ? /dialogId\("[^"]*", "[^"]*", "((?:[^"\\]|\\.)*)"\)/g
      : /dialogStr\("((?:[^"\\]|\\.)*)"\)/g
  return [...lua.matchAll(pattern)].map(([, text = '']) => text.replace(/\\(.)/g, '$1'))
}

/** @throws Error where a source is missing. */
export async function planLanguageJobs(recipe: LanguageRecipe): Promise<readonly LanguageJob[]> {
  const jobs: LanguageJob[] = []
  for (const language of LANGUAGES) {
    jobs.push(...(await syntheticJobs(language, recipe)))
    jobs.push(
      ...(language === 'nl' || language === 'cs'
        ? await gameJobs(language, recipe)
        : await promptJobs(language, recipe)),
    )
  }
  return jobs
}

async function syntheticJobs(
  language: Language,
  { seed, trainPerLanguage }: LanguageRecipe,
): Promise<readonly LanguageJob[]> {
  const random = Random.named(seed, `synthetic/${language}`)
  const texts: string[] = []
  for (const level of (await readdir(join(GAME, 'script'))).sort()) {
    if (isTestLevel(level)) continue
    const lua = await readFile(join(GAME, 'script', level, `dialogs_${language}.lua`), 'utf8').catch(() => '')
    texts.push(
      ...dialogTexts(lua, language).filter((text) => text.length >= 12 && text.length <= LONGEST_TEXT),
    )
  }
  return random
    .shuffle(texts)
    .slice(0, trainPerLanguage)
    .map((text, i) => {
      const voices = VOICES[language]
      const voice = `${voices[random.below(voices.length)]}${VARIANTS[random.below(VARIANTS.length)]}`
      return {
        id: `${language}/synthetic/${i}`,
        language,
        split: 'train',
        source: 'espeak-ng',
        speaker: voice,
        from: { text, voice },
      }
    })
}

async function gameJobs(language: Language, recipe: LanguageRecipe): Promise<readonly LanguageJob[]> {
  const paths: string[] = []
  for (const level of await readdir(join(GAME, 'sound'))) {
    if (!isTestLevel(level)) continue
    const folder = join(GAME, 'sound', level, language)
    const files = await readdir(folder).catch(() => [])
    paths.push(...files.filter((file) => file.endsWith('.ogg')).map((file) => join(folder, file)))
  }
  return divide(paths.sort(), language, recipe).map(({ item: path, split }) => ({
    id: `${language}/fillets/${path.slice(GAME.length + 7)}`,
    language,
    split,
    source: 'fillets',
    speaker: `fillets-${language}`,
    from: { path },
  }))
}

/** Draws people's recordings for the two splits. */
function divide<T>(
  items: readonly T[],
  language: Language,
  { seed, devPerLanguage, testPerLanguage }: LanguageRecipe,
): readonly { readonly item: T; readonly split: 'dev' | 'test' }[] {
  const wanted = devPerLanguage + testPerLanguage
  const dev = Math.round((Math.min(items.length, wanted) * devPerLanguage) / wanted)
  return Random.named(seed, `people/${language}`)
    .shuffle([...items])
    .slice(0, wanted)
    .map((item, i) => ({ item, split: i < dev ? 'dev' : 'test' }))
}

async function promptJobs(language: PromptLanguage, recipe: LanguageRecipe): Promise<readonly LanguageJob[]> {
  // Words by themselves say too little of a language, to people too.
  const prompts = (await readPrompts(language)).flatMap((prompt) => {
    const path = prompt.g722 ?? prompt.wav
    return path !== undefined && isSpoken(prompt) && prompt.text.length >= LEAST_PROMPT
      ? [{ ...prompt, path }]
      : []
  })
  return divide(prompts, language, recipe).map(({ item: { name, speaker, path }, split }) => ({
    id: `${language}/${name}`,
    language,
    split,
    source: 'asterisk',
    speaker,
    from: { path },
  }))
}

/** Speaks a text into a WAV file. */
export async function speakLanguage(
  text: string,
  voice: string,
  path: string,
  random: Random,
): Promise<void> {
  const rate = String(125 + random.below(60))
  const pitch = String(25 + random.below(50))
  await execute('espeak-ng', ['-v', voice, '-s', rate, '-p', pitch, '-w', path, '--', text], {
    timeout: TIMEOUT_MS,
  })
}
