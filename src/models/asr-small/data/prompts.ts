/** The recorded prompts of the Asterisk telephone exchange, as Debian packages them: one speaker a language. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'

export type PromptLanguage = 'en' | 'fr' | 'es' | 'it' | 'ru'

const SOUNDS = '/usr/share/asterisk/sounds'
const VOICES: Readonly<Record<PromptLanguage, string>> = {
  en: 'en_US_f_Allison',
  fr: 'fr_CA_f_June',
  es: 'es_MX_f_Allison',
  it: 'it_IT_m_Carlo',
  ru: 'ru_RU_f_IvrvoiceRU',
}

export interface Prompt {
  /** `digits/1`. */
  readonly name: string
  /** As it stands in the list. */
  readonly text: string
  readonly speaker: string
  /** 16 kHz, G.722; undefined where it is not installed. */
  readonly g722: string | undefined
  /** 8 kHz, WAV. */
  readonly wav: string | undefined
}

export const promptSpeaker = (language: PromptLanguage): string => VOICES[language]

/**
 * Where the list of texts is. The packages name it after the language; those of other languages have the country in
 * it too.
 */
export function promptList(language: PromptLanguage): string {
  return `/usr/share/doc/asterisk-core-sounds-${language}/core-sounds-${language}.txt.gz`
}

/** Every prompt that has a text, in the list's order. @throws Error where the list is not there. */
export async function readPrompts(language: PromptLanguage): Promise<readonly Prompt[]> {
  const list = (await promisify(gunzip)(await readFile(promptList(language)))).toString('utf8')
  const speaker = VOICES[language]
  return parsePrompts(list).map(({ name, text }) => {
    const at = (ending: string): string | undefined => {
      const path = join(SOUNDS, speaker, `${name}.${ending}`)
      return existsSync(path) ? path : undefined
    }
    return { name, text, speaker, g722: at('g722'), wav: at('wav') }
  })
}

/** Lines `name: text`; comments begin with a semicolon. Names may be repeated: the first counts. */
export function parsePrompts(list: string): readonly { readonly name: string; readonly text: string }[] {
  const prompts = new Map<string, string>()
  for (const line of list.split('\n')) {
    const match = /^([A-Za-z0-9_/-]+):\s*(.+?)\s*$/.exec(line)
    const [, name, text] = match ?? []
    if (name !== undefined && text !== undefined && !prompts.has(name)) prompts.set(name, text)
  }
  return [...prompts].map(([name, text]) => ({ name, text }))
}

/** What the list spells in a way that is not what is heard: tones, silences, product names, addresses. */
const UNSPOKEN =
  /^silence\/|beep|tone\b.*\]|tones?\]|^tt-monkeys$|^spy-|^phonetic\/9|www\.|h\.323|3d audio|zaptel/i

/** Is the text what one hears? */
export const isSpoken = ({ name, text }: Pick<Prompt, 'name' | 'text'>): boolean =>
  !UNSPOKEN.test(name) && !UNSPOKEN.test(text) && /[\p{L}\p{N}]/u.test(text)
