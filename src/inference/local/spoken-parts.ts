/**
 * Recordings heard where somebody speaks, stretch by stretch: silence costs nothing and is taken for no words. Times stay
 * those of the whole recording.
 */
import { resample } from '../../ml/audio/resample.js'
import { VoiceActivity } from '../../models/speech/voice-activity.js'
import type { Segment, SegmentOptions } from '../../models/speech/voice-segments.js'
import type { Sound } from './sound.js'
import type { Transcription, Word } from './speech-service.js'
import type { Tell } from './told.js'

/** Seconds of the recording. */
export interface Stretch {
  readonly startSeconds: number
  readonly endSeconds: number
}

const HEARD_AT = 16_000

/** Where somebody speaks, in samples of the sound itself. @throws UserError where the network is not installed */
export async function spokenParts(sound: Sound, options: SegmentOptions = {}): Promise<readonly Segment[]> {
  const { samples, sampleRate } = sound
  const activity = await VoiceActivity.open({ sampleRate: HEARD_AT })
  try {
    const heard = sampleRate === HEARD_AT ? samples : resample(samples, sampleRate, HEARD_AT)
    const scale = sampleRate / HEARD_AT
    return (await activity.segments(heard, options)).map(({ start, end }) => ({
      start: Math.floor(start * scale),
      end: Math.min(samples.length, Math.ceil(end * scale)),
    }))
  } finally {
    await activity.close()
  }
}

/** @param samples of the part, [start, end) of the sound */
export const partOf = ({ samples, sampleRate }: Sound, { start, end }: Segment): Sound => ({
  samples: samples.subarray(start, end),
  sampleRate,
})

export const stretchOf = ({ start, end }: Segment, sampleRate: number): Stretch => ({
  startSeconds: start / sampleRate,
  endSeconds: end / sampleRate,
})

/** The same for what is told of one part, so that it is told of the whole. */
export function tellOfPart(tell: Tell | undefined, part: Stretch, totalSeconds: number): Tell | undefined {
  if (tell === undefined) return undefined
  return {
    text: tell.text,
    reached: ({ done }) => tell.reached({ done: part.startSeconds + done, total: totalSeconds }),
  }
}

/** @param hear one part of the sound, as if it were all of it */
export async function hearSpokenParts(
  sound: Sound,
  hear: (part: Sound, tell?: Tell) => Promise<Transcription>,
  language: string | null,
  tell?: Tell,
): Promise<Transcription> {
  const { sampleRate } = sound
  const totalSeconds = sound.samples.length / sampleRate
  const texts: string[] = []
  const words: Word[] = []
  const speech: Stretch[] = []
  for (const segment of await spokenParts(sound)) {
    const stretch = stretchOf(segment, sampleRate)
    speech.push(stretch)
    const heard = await hear(partOf(sound, segment), tellOfPart(tell, stretch, totalSeconds))
    if (heard.text !== '') texts.push(heard.text)
    for (const word of heard.words)
      words.push({
        ...word,
        startSeconds: stretch.startSeconds + word.startSeconds,
        endSeconds: stretch.startSeconds + word.endSeconds,
      })
  }
  tell?.reached({ done: totalSeconds, total: totalSeconds })
  return { text: texts.join(' '), words, language, speech }
}
