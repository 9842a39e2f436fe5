/** Sound that comes as it is spoken, in a model's process: each utterance heard whole, the open one now and then. */
import { ResampleStream } from '../../ml/audio/resample-stream.js'
import { Utterances } from '../../models/speech/utterances.js'
import { VoiceActivity } from '../../models/speech/voice-activity.js'
import type { Sound } from './sound.js'
import type { Transcription, Word } from './speech-service.js'

/** The next piece of a stream, all of one rate. */
export interface StreamPiece {
  readonly sound: Sound
  /** Nothing comes after it; it may be empty. */
  readonly isLast: boolean
  /** Whether anybody wants to see what is being said before it ends. */
  readonly isOpenWanted: boolean
}

/** Seconds from the beginning of the stream. */
export interface HeardUtterance {
  readonly startSeconds: number
  readonly endSeconds: number
  readonly text: string
  readonly words: readonly Word[]
}

export interface StreamHeard {
  /** That ended; without those that were no words. */
  readonly utterances: readonly HeardUtterance[]
  /** What is being said, where it was heard with this piece: it may still change. */
  readonly open?: Omit<HeardUtterance, 'words'>
}

type Hear = (utterance: Sound) => Promise<Transcription>

interface Stream {
  readonly activity: VoiceActivity
  readonly utterances: Utterances
  readonly resampler: ResampleStream
  /** Place from which on the open utterance is heard again, seconds. */
  openDue: number
}

const HEARD_AT = 16_000
/** Less of an utterance is seldom a word. */
const LEAST_OPEN_SECONDS = 1
/** It is heard again after so much more sound, or four times as long as it took: at most a fifth of the work. */
const OPEN_EVERY_SECONDS = 2
const OPEN_REST = 4

/** One stream at a time: opened with its first piece, gone with its last. */
export class Listening {
  #opening: Promise<Stream> | undefined

  /**
   * @param hear one utterance, as if it were a recording
   * @throws UserError where the network for voice activity is not installed
   */
  async push({ sound, isLast, isOpenWanted }: StreamPiece, hear: Hear): Promise<StreamHeard> {
    this.#opening ??= openStream(sound.sampleRate)
    const stream = await this.#opening
    const { utterances, resampler } = stream
    const ended = [...(await utterances.push(resampler.push(sound.samples)))]
    if (isLast) {
      ended.push(...(await utterances.push(resampler.finish())))
      ended.push(...(await utterances.finish()))
    }
    const heard: HeardUtterance[] = []
    for (const { start, end, samples } of ended) {
      const { text, words } = await hear({ samples, sampleRate: HEARD_AT })
      const startSeconds = start / HEARD_AT
      if (text !== '')
        heard.push({ startSeconds, endSeconds: end / HEARD_AT, text, words: later(words, startSeconds) })
    }
    const open = isLast || !isOpenWanted ? undefined : await openUtterance(stream, hear)
    if (isLast) await this.close()
    return open === undefined ? { utterances: heard } : { utterances: heard, open }
  }

  async close(): Promise<void> {
    const opening = this.#opening
    this.#opening = undefined
    await (await opening)?.activity.close()
  }
}

async function openStream(sampleRate: number): Promise<Stream> {
  const resampler = new ResampleStream(sampleRate, HEARD_AT)
  const activity = await VoiceActivity.open({ sampleRate: HEARD_AT })
  return { activity, utterances: new Utterances(activity), resampler, openDue: 0 }
}

async function openUtterance(stream: Stream, hear: Hear): Promise<StreamHeard['open']> {
  const nowSeconds = stream.utterances.length / HEARD_AT
  if (nowSeconds < stream.openDue) return undefined
  const { open } = stream.utterances
  if (open === undefined || open.samples.length < LEAST_OPEN_SECONDS * HEARD_AT) return undefined
  const began = performance.now()
  const { text } = await hear({ samples: open.samples, sampleRate: HEARD_AT })
  const tookSeconds = (performance.now() - began) / 1000
  stream.openDue = nowSeconds + Math.max(OPEN_EVERY_SECONDS, OPEN_REST * tookSeconds)
  return { startSeconds: open.start / HEARD_AT, endSeconds: open.end / HEARD_AT, text }
}

const later = (words: readonly Word[], seconds: number): readonly Word[] =>
  words.map((word) => ({
    ...word,
    startSeconds: word.startSeconds + seconds,
    endSeconds: word.endSeconds + seconds,
  }))
