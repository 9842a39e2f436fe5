/** Mel spectrograms over the STFT: the plain one of torchaudio and Whisper's log-mel features. */

import type { Spectrum } from './fft.js'
import { filterEnergy, type MelBank, melBank } from './mel.js'
import { type StftOptions, stftFrameCount, stftFrames } from './stft.js'

export interface MelSpectrogramOptions extends StftOptions {
  readonly sampleRate: number
  readonly mels: number
}

/** |X|^2 of each bin. */
function powerOf({ real, imaginary }: Spectrum): Float64Array {
  return real.map((re, bin) => re * re + (imaginary[bin] ?? 0) ** 2)
}

/** Energies of `count` frames: [mels, count] in C order. */
function melEnergies(signal: Float32Array, options: StftOptions, bank: MelBank, count: number): Float64Array {
  const out = new Float64Array(bank.length * count)
  let t = 0
  for (const spectrum of stftFrames(signal, options)) {
    if (t === count) break
    const power = powerOf(spectrum)
    bank.forEach((filter, m) => {
      out[m * count + t] = filterEnergy(filter, power)
    })
    t++
  }
  return out
}

/**
 * `torchaudio.transforms.MelSpectrogram`: power spectrum, HTK scale from 0 to Nyquist, no norm.
 * @returns [mels, frames] in C order
 */
export function melSpectrogram(signal: Float32Array, options: MelSpectrogramOptions): Float32Array {
  const { sampleRate, fftLength, mels } = options
  const bank = melBank({
    sampleRate,
    fftLength,
    mels,
    lowFrequency: 0,
    highFrequency: Math.floor(sampleRate / 2),
    scale: 'htk',
    norm: 'none',
  })
  return Float32Array.from(melEnergies(signal, options, bank, stftFrameCount(signal.length, options)))
}

export interface WhisperOptions {
  readonly sampleRate?: number
  readonly fftLength?: number
  readonly hop?: number
  readonly mels?: number
  /** Seconds; the sound is cut or padded with zeros to this. */
  readonly chunkSeconds?: number
}

const WHISPER_MAX_FREQUENCY = 8000
const WHISPER_FLOOR = 1e-10
/** log10 values further below the maximum are raised: 80 dB. */
const WHISPER_RANGE = 8

/**
 * `WhisperFeatureExtractor` (Radford et al. 2022, arXiv:2212.04356).
 * @returns [mels, chunkSeconds * sampleRate / hop] in C order
 */
export function whisperLogMel(signal: Float32Array, options: WhisperOptions = {}): Float32Array {
  const { sampleRate = 16_000, fftLength = 400, hop = 160, mels = 80, chunkSeconds = 30 } = options
  const padded = new Float32Array(chunkSeconds * sampleRate)
  padded.set(signal.subarray(0, padded.length))
  const bank = melBank({
    sampleRate,
    fftLength,
    mels,
    lowFrequency: 0,
    highFrequency: WHISPER_MAX_FREQUENCY,
    scale: 'slaney',
    norm: 'slaney',
  })
  // The last frame is left out.
  const frames = stftFrameCount(padded.length, { fftLength, hop }) - 1
  const logs = melEnergies(padded, { fftLength, hop }, bank, frames).map((energy) =>
    Math.log10(Math.max(energy, WHISPER_FLOOR)),
  )
  const floor = logs.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY) - WHISPER_RANGE
  return Float32Array.from(logs, (value) => (Math.max(value, floor) + 4) / 4)
}
