/**
 * Sound as it is spoken, cut into utterances where nobody speaks. Each is what voice activity makes of the whole
 * recording, known half a second of silence after its end; who speaks on without a breath is cut after half a minute.
 * Memory is bounded by one utterance.
 *
 * A recogniser hears an utterance whole: it was trained on sentences, each brought to its own loudness, and hears windows
 * of a few seconds worse, at several times the work.
 */
import type { VoiceActivity } from './voice-activity.js'
import { type Segment, type SegmentOptions, VoiceSegmenter } from './voice-segments.js'

/** Of the stream: samples [start, end), at the voice activity's rate. */
export interface Utterance extends Segment {
  readonly samples: Float32Array
}

/** As much as this needs of it. */
export type HearsVoice = Pick<VoiceActivity, 'sampleRate' | 'windowSamples' | 'probability' | 'reset'>

export class Utterances {
  readonly #activity: HearsVoice
  readonly #segmenter: VoiceSegmenter
  readonly #held = new SampleQueue()
  /** Whole windows of the stream that were heard, in samples. */
  #heard = 0

  constructor(activity: HearsVoice, options: SegmentOptions = {}) {
    activity.reset()
    this.#activity = activity
    this.#segmenter = new VoiceSegmenter(activity.windowSamples, activity.sampleRate, options)
  }

  /** Samples that came. */
  get length(): number {
    return this.#held.end
  }

  /** What is being said, as far as it came; undefined in silence. */
  get open(): Utterance | undefined {
    const { openStart: start } = this.#segmenter
    return start === undefined ? undefined : this.#read({ start, end: this.#heard })
  }

  /** @returns the utterances that ended */
  async push(samples: Float32Array): Promise<readonly Utterance[]> {
    this.#held.push(samples)
    const { windowSamples } = this.#activity
    const ended: Utterance[] = []
    while (this.#held.end - this.#heard >= windowSamples)
      ended.push(...(await this.#hear(this.#held.read(this.#heard, this.#heard + windowSamples))))
    return ended
  }

  /** The end of the stream. @returns what was being said, and perhaps what the last piece of a window ended */
  async finish(): Promise<readonly Utterance[]> {
    const ended: Utterance[] = []
    const rest = this.#held.read(this.#heard, this.#held.end)
    if (rest.length > 0) {
      const window = new Float32Array(this.#activity.windowSamples)
      window.set(rest)
      ended.push(...(await this.#hear(window)))
    }
    const last = this.#segmenter.finish()
    if (last !== undefined) ended.push(this.#read(last))
    return ended
  }

  async #hear(window: Float32Array): Promise<readonly Utterance[]> {
    this.#heard += window.length
    const segment = this.#segmenter.push(await this.#activity.probability(window))
    const ended = segment === undefined ? [] : [this.#read(segment)]
    this.#held.drop(Math.min(this.#segmenter.needed, this.#heard))
    return ended
  }

  #read({ start, end }: Segment): Utterance {
    const last = Math.min(end, this.#held.end)
    return { start, end: last, samples: this.#held.read(start, last) }
  }
}

/** Samples of the stream between two places, numbered from the stream's beginning. */
class SampleQueue {
  #samples = new Float32Array(0)
  #start = 0

  get end(): number {
    return this.#start + this.#samples.length
  }

  push(samples: Float32Array): void {
    const joined = new Float32Array(this.#samples.length + samples.length)
    joined.set(this.#samples)
    joined.set(samples, this.#samples.length)
    this.#samples = joined
  }

  /** A copy of [from, to). */
  read(from: number, to: number): Float32Array {
    return this.#samples.slice(from - this.#start, to - this.#start)
  }

  drop(before: number): void {
    if (before <= this.#start) return
    this.#samples = this.#samples.slice(before - this.#start)
    this.#start = before
  }
}
