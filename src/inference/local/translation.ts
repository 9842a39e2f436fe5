/** Speech of any length to text in another language: long recordings go in stretches of speech. */

import type { Segment } from '../../models/speech/voice-segments.js'
import type { SpeechTranslator } from '../../models/speech-translation/index.js'
import { atRate } from './hearing.js'
import type { Sound } from './sound.js'
import { partOf, type Stretch, spokenParts, stretchOf } from './spoken-parts.js'
import type { Tell } from './told.js'

export interface TranslatedPart extends Stretch {
  readonly text: string
}

export interface SpokenTranslation {
  readonly text: string
  /** Of a recording that was translated part by part. */
  readonly parts?: readonly TranslatedPart[]
}

/** Longer ones are cut: the decoder has positions for about as much text as is said in a minute. */
const AT_ONCE_SECONDS = 60
/** Parts of a longer one: a few sentences, which is what such models were trained on. */
const PART_SECONDS = 25
/** A longer silence ends a part: who speaks on after it speaks of something else. */
const PAUSE_SECONDS = 2

/** @param target where the model speaks several languages */
export async function translateSpeech(
  translator: SpeechTranslator,
  sound: Sound,
  target: string | undefined,
  tell?: Tell,
): Promise<SpokenTranslation> {
  const totalSeconds = sound.samples.length / sound.sampleRate
  const translate = async (part: Sound): Promise<string> => {
    const samples = atRate(part, translator.waveform.sampleRate)
    return (await translator.translate(samples, target === undefined ? {} : { targetLanguage: target })).text
  }
  if (totalSeconds <= AT_ONCE_SECONDS) return { text: await translate(sound) }
  const parts: TranslatedPart[] = []
  const spoken = await spokenParts(sound, { maxSpeechSeconds: PART_SECONDS })
  for (const segment of joined(spoken, PART_SECONDS * sound.sampleRate, PAUSE_SECONDS * sound.sampleRate)) {
    const stretch = stretchOf(segment, sound.sampleRate)
    const text = (await translate(partOf(sound, segment))).trim()
    parts.push({ ...stretch, text })
    tell?.text(text)
    tell?.reached({ done: stretch.endSeconds, total: totalSeconds })
  }
  return { text: parts.map(({ text }) => text).join(' '), parts }
}

/** Neighbours put together, the silence between them included, as long as they are short together. */
export function joined(
  segments: readonly Segment[],
  mostSamples: number,
  pauseSamples: number,
): readonly Segment[] {
  const parts: Segment[] = []
  for (const segment of segments) {
    const last = parts.at(-1)
    const isClose = last !== undefined && segment.start - last.end <= pauseSamples
    if (last !== undefined && isClose && segment.end - last.start <= mostSamples)
      parts[parts.length - 1] = { start: last.start, end: segment.end }
    else parts.push(segment)
  }
  return parts
}
