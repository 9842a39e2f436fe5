/** Written sentences in all languages: the Debian Administrator's Handbook, which was translated into each of them. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LANGUAGES, type Language } from '../languages.js'

const HANDBOOK = '/usr/share/doc/debian-handbook/html'
const EDITIONS: Readonly<Record<Language, string>> = {
  en: 'en-US',
  fr: 'fr-FR',
  es: 'es-ES',
  it: 'it-IT',
  ru: 'ru-RU',
}
const SHORTEST = 30
const LONGEST = 130
const LEAST_WORDS = 5
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: ' ' }
/** What is read out otherwise than it is written: commands, paths, addresses, versions. */
const UNSPOKEN = /[/\\=_<>@#$%{}[\]|~^*+&]|\d[.:]\d|\.[a-z]{2,}|--/
const CYRILLIC = /\p{Script=Cyrillic}/u
const LATIN = /\p{Script=Latin}/u

/** Sentences of a page's paragraphs, without tags. */
export function pageSentences(html: string): readonly string[] {
  const sentences: string[] = []
  for (const [, paragraph = ''] of html.matchAll(/<div class="para">([\s\S]*?)<\/div>/g)) {
    const text = paragraph
      .replace(/<[^>]*>/g, '')
      .replace(/&(\w+);/g, (_, name: string) => ENTITIES[name] ?? ' ')
      .replace(/\s+/g, ' ')
      .trim()
    sentences.push(...text.split(/(?<=[.!?])\s+/))
  }
  return sentences.filter(
    (sentence) =>
      sentence.length >= SHORTEST &&
      sentence.length <= LONGEST &&
      sentence.split(' ').length >= LEAST_WORDS &&
      /[.!?]$/.test(sentence) &&
      !UNSPOKEN.test(sentence),
  )
}

/** Every language's sentences, none twice, in the order of the pages. What was left in English is left out. */
export async function readHandbook(): Promise<ReadonlyMap<Language, readonly string[]>> {
  const byLanguage = new Map<Language, readonly string[]>()
  const english = new Set<string>()
  for (const language of LANGUAGES) {
    const folder = join(HANDBOOK, EDITIONS[language])
    const sentences = new Set<string>()
    for (const file of (await readdir(folder)).filter((name) => name.endsWith('.html')).sort())
      for (const sentence of pageSentences(await readFile(join(folder, file), 'utf8'))) {
        const isRussian = language === 'ru'
        if ((isRussian ? LATIN : CYRILLIC).test(sentence)) continue
        if (language === 'en') english.add(sentence)
        else if (english.has(sentence)) continue
        sentences.add(sentence)
      }
    byLanguage.set(language, [...sentences])
  }
  return byLanguage
}
