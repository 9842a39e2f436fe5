/**
 * G.722 at 64 kbit/s: 16 kHz sound in two bands, each ADPCM (ITU-T G.722, 09/2012, decoder of section 4). All sums
 * are the recommendation's 16-bit integer arithmetic.
 */
import { checkSampleCount } from './audio.js'

export const G722_SAMPLE_RATE = 16_000

/** Coefficients of the receiving quadrature mirror filter, table 11, one half of the symmetrical 24. */
const QMF = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11]
/** Logarithmic steps of the quantisers, table 14 and 15: four bits of the lower band, two of the higher. */
const LOW_STEPS = [-60, -30, 58, 172, 334, 538, 1198, 3042]
const LOW_STEP_OF = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0]
const HIGH_STEPS = [0, -214, 798]
const HIGH_STEP_OF = [2, 1, 2, 1]
/** Output levels of the inverse quantisers of 2, 4 and 6 bits. */
const LEVELS_2 = [-7408, -1616, 7408, 1616]
const LEVELS_4 = [
  0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
]
const LEVELS_6 = [
  -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
  -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
  -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192,
  6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432,
  -136,
]
/** 2048 * 2^(i/32): the antilogarithm of a step's fraction. */
const ANTILOG = Array.from({ length: 32 }, (_, i) => Math.round(2048 * 2 ** (i / 32)))
const LEAST_STEP = { low: 32, high: 8 }
const MOST_LOG_STEP = { low: 18_432, high: 22_528 }

const saturate = (value: number): number => Math.max(-32768, Math.min(32767, value))

/** The adaptive predictor of one band: two poles, six zeros (section 3.6). */
class Band {
  /** Predicted signal. */
  predicted = 0
  step: number
  logStep = 0
  #zeroPart = 0
  /** Reconstructed signal, newest first. */
  readonly #r = [0, 0, 0]
  /** Partly reconstructed signal. */
  readonly #p = [0, 0, 0]
  readonly #poles = [0, 0, 0]
  readonly #differences = [0, 0, 0, 0, 0, 0, 0]
  readonly #zeros = [0, 0, 0, 0, 0, 0, 0]

  constructor(step: number) {
    this.step = step
  }

  /** Adapts to a decoded difference and predicts the next sample. */
  adapt(difference: number): void {
    const [r, p, a, d, b] = [this.#r, this.#p, this.#poles, this.#differences, this.#zeros]
    const at = (array: readonly number[], i: number): number => array[i] as number
    d[0] = difference
    r[0] = saturate(this.predicted + difference)
    p[0] = saturate(this.#zeroPart + difference)
    const sign = (value: number): number => value >> 15
    const slope = saturate(at(a, 1) << 2)
    const push = sign(at(p, 0)) === sign(at(p, 1)) ? -slope : slope
    const second =
      (sign(at(p, 0)) === sign(at(p, 2)) ? 128 : -128) +
      (Math.min(push, 32767) >> 7) +
      ((at(a, 2) * 32512) >> 15)
    const pole2 = Math.max(-12288, Math.min(12288, second))
    const pull = sign(at(p, 0)) === sign(at(p, 1)) ? 192 : -192
    const bound = saturate(15360 - pole2)
    const pole1 = Math.max(-bound, Math.min(bound, saturate(pull + ((at(a, 1) * 32640) >> 15))))
    const growth = difference === 0 ? 0 : 128
    for (let i = 1; i < 7; i++) {
      const towards = sign(at(d, i)) === sign(difference) ? growth : -growth
      b[i] = saturate(towards + ((at(b, i) * 32640) >> 15))
    }
    for (let i = 6; i > 0; i--) d[i] = at(d, i - 1)
    for (let i = 2; i > 0; i--) {
      r[i] = at(r, i - 1)
      p[i] = at(p, i - 1)
    }
    a[1] = pole1
    a[2] = pole2
    const poles = ((pole1 * saturate(at(r, 1) << 1)) >> 15) + ((pole2 * saturate(at(r, 2) << 1)) >> 15)
    let zeros = 0
    for (let i = 6; i > 0; i--) zeros += (at(b, i) * saturate(at(d, i) << 1)) >> 15
    this.#zeroPart = saturate(zeros)
    this.predicted = saturate(saturate(poles) + this.#zeroPart)
  }

  /** Scales the quantiser's step for the next sample. */
  rescale(change: number, most: number, least: number): void {
    const log = ((this.logStep * 127) >> 7) + change
    this.logStep = Math.max(0, Math.min(most, log))
    const shift = least - (this.logStep >> 11)
    const antilog = ANTILOG[(this.logStep >> 6) & 31] as number
    this.step = (shift < 0 ? antilog << -shift : antilog >> shift) << 2
  }
}

/** Sound in [-1, 1) at 16 kHz, two samples a byte. @throws UserError for more than the readers' limit. */
export function decodeG722(bytes: Uint8Array): Float32Array {
  checkSampleCount('G.722', bytes.length * 2)
  const low = new Band(LEAST_STEP.low)
  const high = new Band(LEAST_STEP.high)
  const history = new Int32Array(24)
  const samples = new Float32Array(bytes.length * 2)
  for (let n = 0; n < bytes.length; n++) {
    const code = bytes[n] as number
    const lowCode = code & 0x3f
    const highCode = code >> 6
    const fine = (low.step * (LEVELS_6[lowCode] as number)) >> 15
    const lowOut = Math.max(-16384, Math.min(16383, low.predicted + fine))
    // The predictor sees the four upper bits only, so that a sender may drop the others (section 4.2).
    const coarse = lowCode >> 2
    const lowDifference = (low.step * (LEVELS_4[coarse] as number)) >> 15
    low.rescale(LOW_STEPS[LOW_STEP_OF[coarse] as number] as number, MOST_LOG_STEP.low, 8)
    low.adapt(lowDifference)
    const highDifference = (high.step * (LEVELS_2[highCode] as number)) >> 15
    const highOut = Math.max(-16384, Math.min(16383, high.predicted + highDifference))
    high.rescale(HIGH_STEPS[HIGH_STEP_OF[highCode] as number] as number, MOST_LOG_STEP.high, 10)
    high.adapt(highDifference)
    history.copyWithin(0, 2)
    history[22] = lowOut + highOut
    history[23] = lowOut - highOut
    let odd = 0
    let even = 0
    for (let i = 0; i < 12; i++) {
      even += (history[2 * i] as number) * (QMF[i] as number)
      odd += (history[2 * i + 1] as number) * (QMF[11 - i] as number)
    }
    samples[2 * n] = saturate(odd >> 11) / 32768
    samples[2 * n + 1] = saturate(even >> 11) / 32768
  }
  return samples
}
