/** Window functions, under the names and with the conventions of PyTorch and Kaldi. */

export type WindowKind = 'hann' | 'hamming' | 'povey' | 'blackman' | 'rectangular'

/** Kaldi's Povey window: a Hann window whose edges do not reach zero so fast. */
const POVEY_EXPONENT = 0.85
const BLACKMAN = 0.42

/**
 * @param length samples
 * @param periodic true: one period of length `length` (for STFT); false: symmetric (Kaldi)
 */
export function makeWindow(kind: WindowKind, length: number, periodic: boolean): Float64Array {
  const period = periodic ? length : length - 1
  return Float64Array.from({ length }, (_, i) => {
    const cos = period === 0 ? 1 : Math.cos((2 * Math.PI * i) / period)
    switch (kind) {
      case 'hann':
        return 0.5 - 0.5 * cos
      case 'hamming':
        return 0.54 - 0.46 * cos
      case 'povey':
        return (0.5 - 0.5 * cos) ** POVEY_EXPONENT
      case 'blackman':
        return BLACKMAN - 0.5 * cos + (0.5 - BLACKMAN) * (2 * cos * cos - 1)
      default:
        return 1
    }
  })
}

/** Modified Bessel function of the first kind, order 0, by its power series. */
export function besselI0(x: number): number {
  let term = 1
  let sum = 1
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) ** 2
    sum += term
  }
  return sum
}
