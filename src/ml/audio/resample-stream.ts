/** Resampling of sound that comes piece by piece: sample for sample what {@link Resampler} makes of the whole. */
import { RESAMPLE_BEST, type ResampleQuality, Resampler } from './resample.js'

export class ResampleStream {
  readonly #resampler: Resampler
  readonly #period: Resampler['period']
  readonly #reach: Resampler['reach']
  /** What later outputs still hear, from a period's beginning on. */
  #held = new Float32Array(0)
  /** Periods before what is held. */
  #periods = 0
  /** Outputs given, and whether the rates are the same. */
  #given = 0

  /** @throws as {@link Resampler} */
  constructor(fromRate: number, toRate: number, quality: ResampleQuality = RESAMPLE_BEST) {
    this.#resampler = new Resampler(fromRate, toRate, quality)
    this.#period = this.#resampler.period
    this.#reach = this.#resampler.reach
  }

  /** @returns what is certain by now; all but the end of the piece, and what was held back of the one before */
  push(piece: Float32Array): Float32Array {
    if (this.#period.input === this.#period.output) return piece
    this.#hold(piece)
    // Whole periods all of whose outputs have heard what they ever will.
    const complete = Math.max(0, Math.floor((this.#held.length - this.#reach.after) / this.#period.input) + 1)
    const made = this.#make((this.#periods + complete) * this.#period.output)
    const needed = Math.ceil(this.#reach.before / this.#period.input)
    const dropped = Math.max(0, complete - needed)
    this.#held = this.#held.slice(dropped * this.#period.input)
    this.#periods += dropped
    return made
  }

  /** The end: the rest hears silence after it. */
  finish(): Float32Array {
    if (this.#period.input === this.#period.output) return new Float32Array(0)
    const { output } = this.#period
    return this.#make(this.#periods * output + this.#resampler.outputLength(this.#held.length))
  }

  #hold(piece: Float32Array): void {
    const joined = new Float32Array(this.#held.length + piece.length)
    joined.set(this.#held)
    joined.set(piece, this.#held.length)
    this.#held = joined
  }

  /** Outputs from those given up to this one of the whole. */
  #make(end: number): Float32Array {
    if (end <= this.#given) return new Float32Array(0)
    const first = this.#periods * this.#period.output
    const made = this.#resampler.resample(this.#held).slice(this.#given - first, end - first)
    this.#given = end
    return made
  }
}
