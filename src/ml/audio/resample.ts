/**
 * Resampling by a windowed sinc, one filter a phase (Smith, "Digital Audio Resampling"; the same kernels as
 * `torchaudio.functional.resample`). Work grows with the filter's length, not with the ratio's terms.
 */

import { UserError } from '../../errors.js'
import { MAX_SAMPLES } from './audio.js'
import { besselI0 } from './windows.js'

export interface ResampleQuality {
  /** Zero crossings of the sinc on each side. */
  readonly zeroCrossings: number
  /** Cut-off as a fraction of the lower Nyquist frequency. */
  readonly rolloff: number
  readonly window: 'hann' | { readonly kaiserBeta: number }
}

/** torchaudio's default: fast, but 9.5 kHz is only 26 dB down on the way from 48 to 16 kHz (measured in the tests). */
export const RESAMPLE_FAST: ResampleQuality = { zeroCrossings: 6, rolloff: 0.99, window: 'hann' }

/** librosa's "kaiser_best": aliases more than 100 dB down (measured in the tests); what the readers here use. */
export const RESAMPLE_BEST: ResampleQuality = {
  zeroCrossings: 64,
  rolloff: 0.9475937167399596,
  window: { kaiserBeta: 14.769656459379492 },
}

/** Distinct phases; 44.1 to 16 kHz has 160. */
const MAX_PHASES = 20_000
/** Of all phases together; an odd ratio such as 44,099 to 16,000 Hz has six million. */
const MAX_TAPS = 16_000_000

/** The non-zero taps of one phase, and where they begin relative to the phase's input position. */
interface Phase {
  readonly start: number
  readonly taps: Float32Array
}

export class Resampler {
  readonly #from: number
  readonly #to: number
  readonly #phases: readonly Phase[]

  /**
   * @param fromRate Hz, a positive integer
   * @param toRate Hz, a positive integer
   * @throws RangeError for other rates; UserError for a ratio so odd that its filters would fill the memory
   */
  constructor(fromRate: number, toRate: number, quality: ResampleQuality = RESAMPLE_BEST) {
    for (const rate of [fromRate, toRate])
      if (!Number.isSafeInteger(rate) || rate < 1) throw new RangeError(`a sample rate of ${rate} Hz`)
    const divisor = greatestCommonDivisor(fromRate, toRate)
    this.#from = fromRate / divisor
    this.#to = toRate / divisor
    if (this.#to > MAX_PHASES || tapCount(this.#from, this.#to, quality) > MAX_TAPS)
      throw new UserError(`sound of ${fromRate} Hz cannot be brought to ${toRate} Hz here`, {
        code: 'BAD_ARGUMENT',
        remedy: 'convert it first, for example to 48,000 or 16,000 Hz',
      })
    this.#phases = this.#from === this.#to ? [] : makePhases(this.#from, this.#to, quality)
  }

  /** Input samples after which the filters come again, and the outputs that these make. */
  get period(): { readonly input: number; readonly output: number } {
    return { input: this.#from, output: this.#to }
  }

  /** Input samples that the outputs of a period hear at most before its beginning, and from there on. */
  get reach(): { readonly before: number; readonly after: number } {
    const before = this.#phases.reduce((most, { start }) => Math.max(most, -start), 0)
    const after = this.#phases.reduce((most, { start, taps }) => Math.max(most, start + taps.length), 0)
    return { before, after }
  }

  /** Samples that `length` samples become: the ceiling of the ratio. */
  outputLength(length: number): number {
    return Math.ceil((length * this.#to) / this.#from)
  }

  /** @returns a new array; the ends are padded with silence. @throws UserError for more than the readers' limit */
  resample(input: Float32Array): Float32Array {
    if (this.#from === this.#to) return input.slice()
    const length = this.outputLength(input.length)
    if (length > MAX_SAMPLES)
      throw new UserError(`the sound becomes ${length} samples, more than ${MAX_SAMPLES}`, {
        code: 'BAD_ARGUMENT',
        remedy: 'cut it',
      })
    const output = new Float32Array(length)
    for (let n = 0; n < output.length; n++) {
      const block = Math.floor(n / this.#to)
      const phase = this.#phases[n - block * this.#to]
      if (phase === undefined) continue
      const { taps } = phase
      const start = block * this.#from + phase.start
      const first = Math.max(0, -start)
      const last = Math.min(taps.length, input.length - start)
      let sum = 0
      for (let k = first; k < last; k++) sum += (taps[k] ?? 0) * (input[start + k] ?? 0)
      output[n] = sum
    }
    return output
  }
}

/** Resamples once; keep a {@link Resampler} for many sounds of one rate. */
export function resample(
  input: Float32Array,
  fromRate: number,
  toRate: number,
  quality: ResampleQuality = RESAMPLE_BEST,
): Float32Array {
  return new Resampler(fromRate, toRate, quality).resample(input)
}

/** An upper bound. */
function tapCount(from: number, to: number, { zeroCrossings, rolloff }: ResampleQuality): number {
  return to * (2 * Math.ceil((zeroCrossings * from) / (Math.min(from, to) * rolloff)) + 1)
}

function makePhases(
  from: number,
  to: number,
  { zeroCrossings, rolloff, window }: ResampleQuality,
): readonly Phase[] {
  /** Cut-off, in cycles per `from` input samples. */
  const cutoff = Math.min(from, to) * rolloff
  const width = Math.ceil((zeroCrossings * from) / cutoff)
  return Array.from({ length: to }, (_, phase) => {
    // The kernel ends where the window does: outside |t| < zeroCrossings it is zero.
    const centre = (phase * from) / to
    const start = Math.max(-width, Math.ceil(centre - (zeroCrossings * from) / cutoff))
    const end = Math.min(width + from - 1, Math.floor(centre + (zeroCrossings * from) / cutoff))
    const taps = Float32Array.from({ length: end - start + 1 }, (_, k) => {
      const t = ((start + k) / from - phase / to) * cutoff
      const x = Math.min(1, Math.abs(t) / zeroCrossings)
      const sinc = t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t)
      return (sinc * windowAt(x, window) * cutoff) / from
    })
    return { start, taps }
  })
}

/** @param x distance from the centre, 1 at the edge */
function windowAt(x: number, window: ResampleQuality['window']): number {
  if (window === 'hann') return Math.cos((Math.PI / 2) * x) ** 2
  return besselI0(window.kaiserBeta * Math.sqrt(1 - x * x)) / besselI0(window.kaiserBeta)
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
