/**
 * Recordings of people that are learnt from, with what they say: telephone prompts, one speaker a language, and the
 * names of Tux Paint's stamps. Stamps in six more languages add speakers to the phone recogniser; they count for no
 * language.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isSpoken, readPrompts } from '../../asr-small/data/prompts.js'
import { LANGUAGES } from '../languages.js'

export interface Recording {
  readonly id: string
  /** As espeak-ng names it. */
  readonly language: string
  readonly source: string
  readonly speaker: string
  readonly path: string
  readonly text: string
}

const STAMPS = '/usr/share/tuxpaint/stamps'
const STAMP_LANGUAGES = ['en', 'fr', 'es', 'ru', 'ro', 'ca', 'bg', 'be', 'el', 'da', 'nl']
/** Of sixteen folders: the others would add preparation time and no speaker. */
const STAMP_FOLDERS = /^(?:animals|clothes|food)\//
const LEAST_PROMPT = 8
const LEAST_STAMP = 4
/** Names of the Russian list that are no speech. */
const NOISES = /^silence|beep|monkeys|^spy-/

/** @throws Error where a list is missing. */
export async function promptRecordings(): Promise<readonly Recording[]> {
  const recordings: Recording[] = []
  for (const language of LANGUAGES)
    for (const prompt of await readPrompts(language)) {
      const { name, text, speaker, g722: path } = prompt
      const spoken = language === 'ru' ? !NOISES.test(name) : isSpoken(prompt)
      if (path === undefined || !spoken || text.length < LEAST_PROMPT) continue
      recordings.push({ id: `${language}/${name}`, language, source: 'asterisk', speaker, path, text })
    }
  return recordings
}

/** `name_desc.ogg` is English, `name_desc_xx.ogg` another language; their texts stand in `name.txt`. */
export async function stampRecordings(): Promise<readonly Recording[]> {
  const files = (await readdir(STAMPS, { recursive: true })).sort()
  const recordings: Recording[] = []
  for (const file of files) {
    const [, name, language = 'en'] = /^(.*)_desc(?:_([a-z]+))?\.ogg$/.exec(file) ?? []
    if (name === undefined || !STAMP_FOLDERS.test(name) || !STAMP_LANGUAGES.includes(language)) continue
    const list = join(STAMPS, `${name}.txt`)
    if (!existsSync(list)) continue
    const text = stampText(await readFile(list, 'utf8'), language)
    if (text === undefined || text.length < LEAST_STAMP) continue
    recordings.push({
      id: `${language}/${name}`,
      language,
      source: 'tuxpaint',
      speaker: `tuxpaint-${language}`,
      path: join(STAMPS, file),
      text,
    })
  }
  return recordings
}

/** The first line is English, `xx.utf8=` begins another language's. */
export function stampText(list: string, language: string): string | undefined {
  const lines = list.split('\n')
  if (language === 'en') return lines[0]
  return lines.find((line) => line.startsWith(`${language}.utf8=`))?.slice(language.length + 6)
}
