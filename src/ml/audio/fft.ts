/**
 * Discrete Fourier transform of any length, in float64: Cooley-Tukey over the prime factors, so that the 400-point
 * frames of Whisper need no padding. Lengths with large prime factors are slow, not wrong.
 */

export interface Spectrum {
  /** Bins 0 to length / 2. */
  readonly real: Float64Array
  readonly imaginary: Float64Array
}

export class Fft {
  /** Of the input. */
  readonly length: number
  /** floor(length / 2) + 1. */
  readonly bins: number
  readonly #factors: readonly number[]
  /** cos and sin of 2 pi i / length. */
  readonly #cos: Float64Array
  readonly #sin: Float64Array
  readonly #real: Float64Array
  readonly #imaginary: Float64Array
  readonly #scratch: Float64Array

  constructor(length: number) {
    if (!Number.isInteger(length) || length < 1) throw new RangeError(`an FFT of ${length} points`)
    this.length = length
    this.bins = Math.floor(length / 2) + 1
    this.#factors = factorize(length)
    this.#cos = Float64Array.from({ length }, (_, i) => Math.cos((2 * Math.PI * i) / length))
    this.#sin = Float64Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * i) / length))
    this.#real = new Float64Array(length)
    this.#imaginary = new Float64Array(length)
    this.#scratch = new Float64Array(2 * Math.max(...this.#factors, 1))
  }

  /**
   * One-sided spectrum of a real signal: sum over t of x[t] exp(-2 pi i k t / length).
   * The arrays are reused by the next call.
   * @param input `length` samples, zeros beyond its end
   */
  transform(input: ArrayLike<number>): Spectrum {
    this.#step(input, 0, 1, 0, this.length, 0)
    return {
      real: this.#real.subarray(0, this.bins),
      imaginary: this.#imaginary.subarray(0, this.bins),
    }
  }

  /** Transform of `count` inputs from `from` on, `stride` apart, into the outputs at `to`. */
  #step(
    input: ArrayLike<number>,
    from: number,
    stride: number,
    to: number,
    count: number,
    level: number,
  ): void {
    if (count === 1) {
      this.#real[to] = input[from] ?? 0
      this.#imaginary[to] = 0
      return
    }
    const factor = this.#factors[level] ?? count
    const part = count / factor
    for (let q = 0; q < factor; q++)
      this.#step(input, from + q * stride, stride * factor, to + q * part, part, level + 1)
    if (factor === 2) this.#pairs(to, part, stride)
    else this.#butterflies(to, part, stride, factor)
  }

  #pairs(to: number, part: number, stride: number): void {
    const real = this.#real
    const imaginary = this.#imaginary
    for (let k = 0; k < part; k++) {
      const cos = this.#cos[k * stride] ?? 0
      const sin = this.#sin[k * stride] ?? 0
      const a = to + k
      const b = a + part
      const re = (real[b] ?? 0) * cos + (imaginary[b] ?? 0) * sin
      const im = (imaginary[b] ?? 0) * cos - (real[b] ?? 0) * sin
      real[b] = (real[a] ?? 0) - re
      imaginary[b] = (imaginary[a] ?? 0) - im
      real[a] = (real[a] ?? 0) + re
      imaginary[a] = (imaginary[a] ?? 0) + im
    }
  }

  #butterflies(to: number, part: number, stride: number, factor: number): void {
    const scratch = this.#scratch
    const period = this.length
    const turn = period / factor
    for (let k = 0; k < part; k++) {
      for (let q = 0; q < factor; q++) {
        const at = to + q * part + k
        const angle = (q * k * stride) % period
        const cos = this.#cos[angle] ?? 0
        const sin = this.#sin[angle] ?? 0
        const re = this.#real[at] ?? 0
        const im = this.#imaginary[at] ?? 0
        scratch[2 * q] = re * cos + im * sin
        scratch[2 * q + 1] = im * cos - re * sin
      }
      for (let r = 0; r < factor; r++) {
        let re = 0
        let im = 0
        for (let q = 0; q < factor; q++) {
          const angle = ((q * r) % factor) * turn
          const cos = this.#cos[angle] ?? 0
          const sin = this.#sin[angle] ?? 0
          re += (scratch[2 * q] ?? 0) * cos + (scratch[2 * q + 1] ?? 0) * sin
          im += (scratch[2 * q + 1] ?? 0) * cos - (scratch[2 * q] ?? 0) * sin
        }
        this.#real[to + r * part + k] = re
        this.#imaginary[to + r * part + k] = im
      }
    }
  }
}

function factorize(length: number): readonly number[] {
  const factors: number[] = []
  let rest = length
  for (let factor = 2; rest > 1; factor = factor * factor > rest ? rest : factor + 1)
    while (rest % factor === 0) {
      factors.push(factor)
      rest /= factor
    }
  return factors
}
