/** Programs of Debian that speak, pronounce and decode, each run on its own. */
import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { Random } from '../../../ml/train/random.js'
import type { Language } from '../languages.js'

const execute = promisify(execFile)
const TIMEOUT_MS = 60_000
const MOST_OUTPUT = 2 ** 26

/** espeak-ng's names for the languages, with regional voices where it has them. */
const VOICES: Readonly<Record<Language, readonly string[]>> = {
  en: ['en-us', 'en-gb', 'en-gb-scotland', 'en-029'],
  fr: ['fr', 'fr-be', 'fr-ch'],
  es: ['es', 'es-419'],
  it: ['it'],
  ru: ['ru'],
}
/** Throats of espeak-ng, the same for every language: none tells which it is. */
const THROATS =
  ' +m1 +m2 +m3 +m4 +m5 +m6 +m7 +m8 +f1 +f2 +f3 +f4 +f5 +klatt +klatt2 +klatt4 +anika +belinda +linda +Annie +Andrea +steph +john +rob +iven +michel +norbert +travis +Alicia'.split(
    ' ',
  )

export function drawEspeakVoice(language: Language, random: Random): string {
  const voices = VOICES[language]
  return `${voices[random.below(voices.length)]}${THROATS[random.below(THROATS.length)]}`
}

export async function speakWithEspeak(
  text: string,
  voice: string,
  path: string,
  random: Random,
): Promise<void> {
  const rate = String(120 + random.below(70))
  const pitch = String(20 + random.below(60))
  await execute('espeak-ng', ['-v', voice, '-s', rate, '-p', pitch, '-w', path, '--', text], {
    timeout: TIMEOUT_MS,
  })
}

export async function speakWithFlite(text: string, voice: string, path: string): Promise<void> {
  await execute('flite', ['-voice', voice, '-t', text, '-o', path], { timeout: TIMEOUT_MS })
}

/** Festival takes half a second to start: it speaks many sentences at a time, in its voices' eight-bit spelling. */
export async function speakAllWithFestival(
  voice: string,
  lines: readonly { readonly text: string; readonly path: string }[],
): Promise<void> {
  const script = [
    `(voice_${voice})`,
    ...lines.map(({ text, path }) => {
      const plain = text.replace(/["\\’]/g, ' ')
      return `(utt.save.wave (utt.synth (Utterance Text "${plain}")) ${JSON.stringify(path)} 'riff)`
    }),
  ]
  const child = execute('festival', ['--pipe'], { timeout: TIMEOUT_MS + lines.length * 2000 })
  child.child.stdin?.end(Buffer.from(script.join('\n'), 'latin1'))
  await child
}

/** GSM 06.10 as telephone prompts have it, into a WAV file. */
export async function decodeGsm(from: string, to: string): Promise<void> {
  await execute('sox', [from, '-b', '16', '-e', 'signed-integer', to], { timeout: TIMEOUT_MS })
}

/** What espeak-ng would read as a pause or by name. */
const MARKS = /\[[^\]]*\]|<[^>]*>|[.,;:!?…"“”«»()¿¡–—/\\*#\n\r-]+/g
const BLOCK = 100

/**
 * How texts are pronounced, in the phonetic alphabet, by espeak-ng's rules.
 * @param scratch a file to write the texts into. @returns as many as texts; '' for one that has nothing to say.
 */
export async function pronounce(
  language: string,
  texts: readonly string[],
  scratch: string,
): Promise<readonly string[]> {
  const spoken: string[] = []
  const plain = texts.map((text) => text.replace(MARKS, ' ').replace(/\s+/g, ' ').trim())
  for (let from = 0; from < plain.length; from += BLOCK)
    spoken.push(...(await pronounceBlock(language, plain.slice(from, from + BLOCK), scratch)))
  await rm(scratch, { force: true })
  return spoken
}

/** A text that makes two lines or none would shift all that follow: it is looked for by halves. */
async function pronounceBlock(
  language: string,
  texts: readonly string[],
  scratch: string,
): Promise<readonly string[]> {
  const lines = await pronounceLines(language, texts, scratch)
  if (lines.length === texts.length) return lines
  if (texts.length === 1) return [lines.join(' ')]
  const half = texts.length >> 1
  return [
    ...(await pronounceBlock(language, texts.slice(0, half), scratch)),
    ...(await pronounceBlock(language, texts.slice(half), scratch)),
  ]
}

async function pronounceLines(
  language: string,
  texts: readonly string[],
  scratch: string,
): Promise<readonly string[]> {
  await writeFile(scratch, texts.map((text) => `${text}.\n\n`).join(''))
  const { stdout } = await execute('espeak-ng', ['-q', '--ipa', '-v', language, '-f', scratch], {
    timeout: TIMEOUT_MS,
    maxBuffer: MOST_OUTPUT,
  })
  return stdout
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
