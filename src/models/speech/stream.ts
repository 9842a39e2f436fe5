/**
 * Sound as it is spoken, text as it is understood. Windows overlap as in chunks.ts; a frame is given to the decoder
 * once, when its right context was heard. With voice activity, silence is neither scored nor kept, and each stretch of
 * speech is an utterance of its own.
 *
 * A frame's text comes at latest `streamLatencySeconds` after it was spoken, plus the time to score one window. Memory
 * is bounded: one window of samples, and for an utterance what the decoder keeps.
 */
import { BeamSearch } from '../ctc/beam.js'
import type { BeamAlphabet, BeamOptions } from '../ctc/beam-options.js'
import type { LogProbabilities } from '../ctc/log-probabilities.js'
import {
  type ChunkOptions,
  checkChunkOptions,
  type FrameGeometry,
  type FrameScorer,
  framesOf,
  keptRows,
  samplesOf,
} from './chunks.js'
import type { VoiceActivity } from './voice-activity.js'
import { type SegmentOptions, VoiceSegmenter } from './voice-segments.js'

export interface StreamOptions {
  readonly sampleRate: number
  readonly geometry: FrameGeometry
  readonly score: FrameScorer
  readonly alphabet: BeamAlphabet
  readonly beam?: BeamOptions
  readonly chunks: ChunkOptions
  /** Utterances end in silence; without it the whole stream is cut only by `maxUtteranceSeconds`. */
  readonly voice?: { readonly activity: VoiceActivity; readonly options?: SegmentOptions }
  /** Longer utterances are ended; 30 s unless told. */
  readonly maxUtteranceSeconds?: number
}

export interface StreamText {
  /** A partial text may still change; a final one is followed by the next utterance. */
  readonly kind: 'partial' | 'final'
  readonly text: string
  /** Where the utterance begins in the stream, and how far this text reaches. */
  readonly startSeconds: number
  readonly endSeconds: number
}

/** Longest piece taken from the source at once; 60 s at 16 kHz. */
const MAX_PIECE_SAMPLES = 960_000

/** From a frame's sound to its partial text at most, without the time to compute. */
export function streamLatencySeconds({ sampleRate, geometry, chunks, voice }: StreamOptions): number {
  const { windowFrames, leftFrames } = chunks
  const sound = (windowFrames - leftFrames) * geometry.samplesPerFrame + geometry.receptiveSamples
  return (sound + (voice?.activity.windowSamples ?? 0)) / sampleRate
}

/**
 * @param source mono samples in [-1, 1] at `sampleRate`, in pieces of any length; read no faster than it is scored.
 * @throws RangeError for windows that keep nothing, or a piece of more than 60 s.
 */
export async function* streamTranscript(
  source: AsyncIterable<Float32Array>,
  options: StreamOptions,
): AsyncGenerator<StreamText> {
  checkChunkOptions(options.chunks)
  let utterance: Utterance | undefined
  for await (const event of speech(source, options)) {
    if (event.kind === 'sound') {
      utterance ??= new Utterance(event.at, options)
      yield* utterance.hear(event.samples)
    } else if (utterance !== undefined) {
      const text = await utterance.finish()
      // Noise that was no speech after all goes without a word.
      if (text.text !== '' || utterance.hasSpoken) yield text
      utterance = undefined
    }
  }
}

type SpeechEvent =
  | { readonly kind: 'sound'; readonly samples: Float32Array; readonly at: number }
  | { readonly kind: 'end' }

/** The sound worth scoring, and where utterances end. */
async function* speech(
  source: AsyncIterable<Float32Array>,
  options: StreamOptions,
): AsyncGenerator<SpeechEvent> {
  const { voice, sampleRate, maxUtteranceSeconds = 30 } = options
  if (voice !== undefined) {
    yield* voiced(source, voice.activity, { maxSpeechSeconds: maxUtteranceSeconds, ...voice.options })
    return
  }
  const limit = Math.max(1, Math.round(maxUtteranceSeconds * sampleRate))
  let at = 0
  for await (const piece of source) {
    checkPiece(piece)
    for (let from = 0; from < piece.length; ) {
      const count = Math.min(piece.length - from, limit - (at % limit))
      yield { kind: 'sound', samples: piece.subarray(from, from + count), at }
      from += count
      at += count
      if (at % limit === 0) yield { kind: 'end' }
    }
  }
  yield { kind: 'end' }
}

/** Samples are held back until speech is likely, and given from the margin before it on. */
async function* voiced(
  source: AsyncIterable<Float32Array>,
  activity: VoiceActivity,
  options: SegmentOptions,
): AsyncGenerator<SpeechEvent> {
  activity.reset()
  const segmenter = new VoiceSegmenter(activity.windowSamples, activity.sampleRate, options)
  const held = new SampleQueue()
  let given = 0
  const upTo = function* (end: number): Generator<SpeechEvent> {
    const from = Math.max(given, held.start)
    if (end <= from) return
    given = end
    yield { kind: 'sound', samples: held.read(from, end), at: from }
  }
  let heard = 0
  for await (const piece of source) {
    checkPiece(piece)
    held.push(piece)
    while (held.end - heard >= activity.windowSamples) {
      const window = held.read(heard, heard + activity.windowSamples)
      heard += activity.windowSamples
      const closed = segmenter.push(await activity.probability(window))
      const { openStart } = segmenter
      if (closed !== undefined) {
        given = Math.max(given, closed.start)
        yield* upTo(closed.end)
        yield { kind: 'end' }
      }
      if (openStart !== undefined) {
        given = Math.max(given, openStart)
        yield* upTo(heard)
      } else if (closed === undefined && given > 0) yield { kind: 'end' }
      held.drop(Math.min(Math.max(segmenter.needed, given), heard))
    }
  }
  const last = segmenter.finish()
  if (last !== undefined) yield* upTo(Math.min(last.end + activity.windowSamples, held.end))
  yield { kind: 'end' }
}

function checkPiece(piece: Float32Array): void {
  if (piece.length > MAX_PIECE_SAMPLES)
    throw new RangeError(`a piece of ${piece.length} samples; give at most ${MAX_PIECE_SAMPLES} at once`)
}

/** Samples of the stream between two places, numbered from the stream's beginning. */
class SampleQueue {
  #samples = new Float32Array(0)
  start = 0

  get end(): number {
    return this.start + this.#samples.length
  }

  push(samples: Float32Array): void {
    const joined = new Float32Array(this.#samples.length + samples.length)
    joined.set(this.#samples)
    joined.set(samples, this.#samples.length)
    this.#samples = joined
  }

  /** A copy of [from, to). */
  read(from: number, to: number): Float32Array {
    return this.#samples.slice(from - this.start, to - this.start)
  }

  drop(before: number): void {
    if (before <= this.start) return
    this.#samples = this.#samples.slice(before - this.start)
    this.start = before
  }
}

/** One utterance: its windows in order, its decoder, its text so far. */
class Utterance {
  readonly #options: StreamOptions
  /** Where it begins in the stream, in samples. */
  readonly #origin: number
  readonly #queue = new SampleQueue()
  #search: BeamSearch | undefined
  /** Frames given to the decoder. */
  #done = 0
  /** Whether a partial text was given that a final one must close. */
  hasSpoken = false

  constructor(origin: number, options: StreamOptions) {
    this.#origin = origin
    this.#options = options
  }

  async *hear(samples: Float32Array): AsyncGenerator<StreamText> {
    const { geometry, chunks } = this.#options
    this.#queue.push(samples)
    for (;;) {
      const first = Math.max(0, this.#done - chunks.leftFrames)
      // Less than a window where there is no left context yet: the first words come as soon as later ones.
      const end = this.#done + chunks.windowFrames - chunks.leftFrames
      if (framesOf(this.#queue.end, geometry) < end) return
      await this.#score(first, end, end - chunks.rightFrames)
      const text = this.#text('partial')
      this.hasSpoken ||= text.text !== ''
      yield text
    }
  }

  async finish(): Promise<StreamText> {
    const frames = framesOf(this.#queue.end, this.#options.geometry)
    if (frames > this.#done)
      await this.#score(Math.max(0, this.#done - this.#options.chunks.leftFrames), frames, frames, true)
    return this.#text('final')
  }

  async #score(first: number, end: number, keepTo: number, isLast = false): Promise<void> {
    const { geometry, score, alphabet, beam = {}, chunks } = this.#options
    const chunk = { first, count: end - first, keepFrom: this.#done, keepTo }
    const span = samplesOf(chunk, geometry)
    const output: LogProbabilities = await score(
      this.#queue.read(span.start, isLast ? this.#queue.end : span.end),
    )
    const { classes } = output
    this.#search ??= new BeamSearch(alphabet, beam, classes)
    const rows = keptRows(output, chunk)
    for (let at = 0; at < rows.length; at += classes) this.#search.frame(rows.subarray(at, at + classes))
    this.#done = keepTo
    this.#queue.drop(Math.max(0, keepTo - chunks.leftFrames) * geometry.samplesPerFrame)
  }

  #text(kind: StreamText['kind']): StreamText {
    const { sampleRate, geometry } = this.#options
    const reached = kind === 'final' ? this.#queue.end : this.#done * geometry.samplesPerFrame
    return {
      kind,
      text: this.#search?.results()[0]?.text ?? '',
      startSeconds: this.#origin / sampleRate,
      endSeconds: (this.#origin + reached) / sampleRate,
    }
  }
}
