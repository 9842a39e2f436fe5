/**
 * Recordings of people that are never learnt from. What the recipe's author chose was chosen on `dev`; figures are of
 * `test`. Each source has a speaker, a room and a channel of its own, and none has a part in training.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Random } from '../../../ml/train/random.js'
import type { Language } from '../languages.js'
import { readTalkie } from './talkie.js'

export interface HeldOut {
  readonly id: string
  readonly language: Language
  readonly split: 'dev' | 'test'
  readonly source: string
  readonly speaker: string
  /** A file, or a stretch of one. */
  readonly path: string
  readonly slice?: { readonly offset: number; readonly size: number }
}

interface Folder {
  readonly language: Language
  readonly split: 'dev' | 'test'
  readonly source: string
  readonly speaker: string
  readonly path: string
  /** Its package cannot be installed beside others: `path` is in the folder of what is only unpacked. */
  readonly isUnpacked?: boolean
  readonly ending: RegExp
}

const HEDGEWARS = '/usr/share/games/hedgewars/Data/Sounds/voices'
const hedgewars = (language: Language, voice: string): Folder => ({
  language,
  split: 'dev',
  source: 'hedgewars',
  speaker: `hedgewars-${voice}`,
  path: join(HEDGEWARS, voice),
  ending: /\.ogg$/,
})
const potato = (language: Language): Folder => ({
  language,
  split: 'dev',
  source: 'ktuberling',
  speaker: `ktuberling-${language}`,
  path: `/usr/share/ktuberling/sounds/${language}`,
  ending: /\.(wav|ogg)$/,
})
/** One game in two languages, so one channel. What its Italian package holds is spoken in English (the network hears the same phones in both). */
const drascula = (language: Language): Folder => ({
  language,
  split: 'dev',
  source: 'drascula',
  speaker: `drascula-${language}`,
  path: `usr/share/scummvm/drascula/${language}`,
  isUnpacked: true,
  ending: /\.ALS$/,
})
const test = (language: Language, source: string, path: string, ending: RegExp): Folder => ({
  language,
  split: 'test',
  source,
  speaker: source,
  path,
  ending,
})

const FOLDERS: readonly Folder[] = [
  hedgewars('en', 'British'),
  hedgewars('en', 'Default'),
  hedgewars('en', 'Mobster'),
  hedgewars('en', 'Surfer'),
  hedgewars('es', 'Default_es'),
  hedgewars('ru', 'Default_ru'),
  hedgewars('ru', 'Russian'),
  ...(['en', 'fr', 'es', 'it', 'ru'] as const).map(potato),
  drascula('en'),
  drascula('es'),
  { ...test('es', 'asterisk-prompt-es-co', 'usr/share/asterisk/sounds/es', /\.gsm$/), isUnpacked: true },
  { ...test('fr', 'asterisk-prompt-fr-armelle', 'usr/share/asterisk/sounds/fr', /\.gsm$/), isUnpacked: true },
  test('it', 'asterisk-prompt-it-menardi-wav', '/usr/share/asterisk/sounds/it_IT_f_Menardi', /\.wav$/),
  test('ru', 'festvox-ru', '/usr/share/festival/voices/russian/msu_ru_nsh_clunits/wav', /\.wav$/),
  test('en', 'pocketsphinx-testdata', '/usr/share/pocketsphinx/test/data/librivox', /\.wav$/),
]
/** Single words and letters say little of a language, to people too. */
const WORDS = /digits|letters|phonetic|silence|beep|tones?\b/
const MOST_OF_A_SPEAKER = 100
const TALKIE_CLIPS = 100
const TALKIE = 'usr/share/scummvm/flight-of-the-amazon-queen/queen.1c'

/** @param unpacked the folder of packages that are not installed. @throws Error where a source is missing. */
export async function heldOutRecordings(seed: number, unpacked: string): Promise<readonly HeldOut[]> {
  const clips: HeldOut[] = []
  for (const { path: place, isUnpacked, ending, ...about } of FOLDERS) {
    const path = isUnpacked === true ? join(unpacked, place) : place
    const files = (await readdir(path, { recursive: true }))
      .filter((file) => ending.test(file) && !WORDS.test(file))
      .sort()
    clips.push(
      ...Random.named(seed, `held out/${about.speaker}`)
        .shuffle(files)
        .slice(0, MOST_OF_A_SPEAKER)
        .sort()
        .map((file) => ({ ...about, id: `${about.speaker}/${file}`, path: join(path, file) })),
    )
  }
  const talkie = join(unpacked, TALKIE)
  const lines = Random.named(seed, 'held out/talkie')
    .shuffle([...readTalkie(await readFile(talkie))])
    .slice(0, TALKIE_CLIPS)
  const source = 'flight-of-the-amazon-queen'
  for (const { name, ...slice } of lines)
    clips.push({
      id: `${source}/${name}`,
      language: 'en',
      split: 'test',
      source,
      speaker: source,
      path: talkie,
      slice,
    })
  return clips
}
