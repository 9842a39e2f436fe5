/** From the probability of speech in each window to stretches of speech: a threshold with hysteresis, spans, margins. */

export interface SegmentOptions {
  /** Speech begins at this probability; 0.5 unless told. */
  readonly threshold?: number
  /** Speech ends below this one; 0.15 less than the threshold unless told. */
  readonly release?: number
  /** Shorter speech is noise; 0.25 s unless told. */
  readonly minSpeechSeconds?: number
  /** Shorter silence is a breath; 0.5 s unless told. */
  readonly minSilenceSeconds?: number
  /** Kept around speech; 0.1 s unless told. */
  readonly marginSeconds?: number
  /** Longer speech is cut at the window of least probability in its second half; 30 s unless told. */
  readonly maxSpeechSeconds?: number
}

/** Samples [start, end). */
export interface Segment {
  readonly start: number
  readonly end: number
}

/**
 * Windows in, stretches out. A stretch is known `minSilenceSeconds` after it ended, or when it is as long as allowed.
 */
export class VoiceSegmenter {
  readonly #window: number
  readonly #threshold: number
  readonly #release: number
  readonly #minSpeech: number
  readonly #minSilence: number
  readonly #margin: number
  readonly #maxSpeech: number
  /** Samples seen. */
  #at = 0
  #start: number | undefined
  /** Where the silence began that may end the stretch. */
  #silence: number | undefined
  /** End of the last stretch given, so that margins do not overlap. */
  #given = 0
  /** The quietest place in the second half of the longest allowed stretch. */
  #quietest: { readonly at: number; readonly probability: number } | undefined

  /** @param windowSamples samples of each window. */
  constructor(windowSamples: number, sampleRate: number, options: SegmentOptions = {}) {
    const { threshold = 0.5, release = Math.max(0.01, threshold - 0.15) } = options
    if (!(threshold > 0 && threshold < 1 && release > 0 && release <= threshold))
      throw new RangeError(`0 < release <= threshold < 1, not ${release} and ${threshold}`)
    this.#window = windowSamples
    this.#threshold = threshold
    this.#release = release
    const samples = (seconds: number): number => Math.round(seconds * sampleRate)
    this.#minSpeech = samples(options.minSpeechSeconds ?? 0.25)
    this.#minSilence = samples(options.minSilenceSeconds ?? 0.5)
    this.#margin = samples(options.marginSeconds ?? 0.1)
    this.#maxSpeech = samples(options.maxSpeechSeconds ?? 30)
    if (this.#maxSpeech < 2 * windowSamples)
      throw new RangeError('maxSpeechSeconds is shorter than two windows')
  }

  /** Where the open stretch begins, margin included; undefined in silence. */
  get openStart(): number | undefined {
    return this.#start === undefined ? undefined : this.#padded(this.#start)
  }

  /** From here on samples may still be asked for. */
  get needed(): number {
    return this.openStart ?? Math.max(this.#given, this.#at - this.#margin)
  }

  /** @returns the stretch that this window closed. */
  push(probability: number): Segment | undefined {
    const at = this.#at
    this.#at += this.#window
    if (probability >= this.#threshold) {
      this.#start ??= at
      this.#silence = undefined
    } else if (this.#start !== undefined && probability < this.#release) this.#silence ??= at
    if (this.#start === undefined) return undefined
    if (this.#silence !== undefined && this.#at - this.#silence >= this.#minSilence) {
      const segment = this.#close(this.#start, this.#silence)
      this.#start = undefined
      this.#silence = undefined
      return segment
    }
    return this.#at - this.#start >= this.#maxSpeech / 2 ? this.#cut(this.#start, at, probability) : undefined
  }

  /** The end of the sound. */
  finish(): Segment | undefined {
    if (this.#start === undefined) return undefined
    const segment = this.#close(this.#start, this.#silence ?? this.#at)
    this.#start = undefined
    return segment
  }

  #cut(start: number, at: number, probability: number): Segment | undefined {
    if (this.#quietest === undefined || probability <= this.#quietest.probability)
      this.#quietest = { at, probability }
    if (this.#at - start + this.#window <= this.#maxSpeech) return undefined
    const { at: end } = this.#quietest
    this.#quietest = undefined
    const segment = { start: this.#padded(start), end }
    this.#given = end
    this.#start = end
    return segment
  }

  #close(start: number, end: number): Segment | undefined {
    this.#quietest = undefined
    if (end - start < this.#minSpeech) return undefined
    const segment = { start: this.#padded(start), end: Math.min(end + this.#margin, this.#at) }
    this.#given = segment.end
    return segment
  }

  #padded(start: number): number {
    return Math.max(this.#given, start - this.#margin)
  }
}
