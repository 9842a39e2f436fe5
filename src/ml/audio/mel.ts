/** Mel scales and triangular filter banks in the three dialects that published models were trained with. */

export type MelScale = 'htk' | 'slaney'

export interface MelBankOptions {
  readonly sampleRate: number
  readonly fftLength: number
  readonly mels: number
  /** Hz. */
  readonly lowFrequency: number
  readonly highFrequency: number
  readonly scale: MelScale
  /** `slaney`: each filter has unit area; `none`: unit height. */
  readonly norm: 'slaney' | 'none'
}

/** Slaney's Auditory Toolbox: linear below 1 kHz (200/3 Hz a mel), logarithmic above (27 steps to 6.4 times). */
const SLANEY_BREAK_HZ = 1000
const SLANEY_BREAK_MEL = 15
const SLANEY_STEP = Math.log(6.4) / 27

function toMel(hertz: number, scale: MelScale): number {
  if (scale === 'htk') return 2595 * Math.log10(1 + hertz / 700)
  return hertz < SLANEY_BREAK_HZ
    ? (3 * hertz) / 200
    : SLANEY_BREAK_MEL + Math.log(hertz / SLANEY_BREAK_HZ) / SLANEY_STEP
}

function toHertz(mel: number, scale: MelScale): number {
  if (scale === 'htk') return 700 * (10 ** (mel / 2595) - 1)
  return mel < SLANEY_BREAK_MEL
    ? (200 * mel) / 3
    : SLANEY_BREAK_HZ * Math.exp(SLANEY_STEP * (mel - SLANEY_BREAK_MEL))
}

/** Filters over the bins of a spectrum: for each, its first bin and its weights from there. */
export type MelBank = readonly { readonly first: number; readonly weights: Float64Array }[]

/** Triangles whose sides are straight in Hz (librosa, torchaudio, Whisper). */
export function melBank(options: MelBankOptions): MelBank {
  const { sampleRate, fftLength, mels, lowFrequency, highFrequency, scale, norm } = options
  const low = toMel(lowFrequency, scale)
  const high = toMel(highFrequency, scale)
  const edges = Array.from({ length: mels + 2 }, (_, i) =>
    toHertz(low + ((high - low) * i) / (mels + 1), scale),
  )
  const bins = Math.floor(fftLength / 2) + 1
  return Array.from({ length: mels }, (_, m) => {
    const [left = 0, centre = 0, right = 0] = edges.slice(m, m + 3)
    const height = norm === 'slaney' ? 2 / (right - left) : 1
    return sparse(bins, (bin) => {
      const frequency = (bin * sampleRate) / fftLength
      return height * Math.min((frequency - left) / (centre - left), (right - frequency) / (right - centre))
    })
  })
}

/** Triangles whose sides are straight in mel, without the Nyquist bin (Kaldi feat/mel-computations.cc). */
export function kaldiMelBank(options: Omit<MelBankOptions, 'scale' | 'norm'>): MelBank {
  const { sampleRate, fftLength, mels, lowFrequency, highFrequency } = options
  const mel = (hertz: number) => 1127 * Math.log(1 + hertz / 700)
  const low = mel(lowFrequency)
  const step = (mel(highFrequency) - low) / (mels + 1)
  return Array.from({ length: mels }, (_, m) => {
    const left = low + m * step
    return sparse(fftLength / 2, (bin) => {
      const position = mel((bin * sampleRate) / fftLength)
      return Math.min((position - left) / step, (left + 2 * step - position) / step)
    })
  })
}

function sparse(bins: number, weightOf: (bin: number) => number): MelBank[number] {
  const weights = Float64Array.from({ length: bins }, (_, bin) => Math.max(0, weightOf(bin)))
  const first = weights.findIndex((weight) => weight > 0)
  if (first < 0) return { first: 0, weights: new Float64Array(0) }
  return { first, weights: weights.slice(first, weights.findLastIndex((weight) => weight > 0) + 1) }
}

/** Energy in one filter. @param power spectrum, a value a bin */
export function filterEnergy({ first, weights }: MelBank[number], power: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < weights.length; i++) sum += (weights[i] ?? 0) * (power[first + i] ?? 0)
  return sum
}
