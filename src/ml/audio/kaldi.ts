/**
 * Kaldi's filter banks and MFCC as `torchaudio.compliance.kaldi` computes them, without dither.
 * Kaldi works on 16-bit scale: multiply sound in [-1, 1) by 32768 first.
 */

import { Fft } from './fft.js'
import { filterEnergy, kaldiMelBank } from './mel.js'
import { makeWindow, type WindowKind } from './windows.js'

export interface KaldiOptions {
  readonly sampleRate?: number
  readonly mels?: number
  /** Milliseconds. */
  readonly frameLength?: number
  readonly frameShift?: number
  readonly window?: WindowKind
  /** true: frames lie inside the signal; false: it is mirrored at its ends. */
  readonly snipEdges?: boolean
  /** Put the log energy of each frame in column 0. */
  readonly useEnergy?: boolean
  /** Hz. */
  readonly lowFrequency?: number
  /** Hz; zero or less counts from Nyquist. */
  readonly highFrequency?: number
}

export interface Features {
  /** [frames, width] in C order. */
  readonly values: Float32Array
  readonly frames: number
  readonly width: number
}

const PREEMPHASIS = 0.97
/** float32 epsilon: Kaldi's floor for spectra. */
const EPSILON = 2 ** -23
/** Kaldi's energy_floor of 1.0, as a log. */
const LOG_ENERGY_FLOOR = 0
const CEPSTRAL_LIFTER = 22

/** Log mel energies. @param signal on 16-bit scale */
export function kaldiFbank(signal: Float32Array, options: KaldiOptions = {}): Features {
  const { sampleRate = 16_000, mels = 23, frameLength = 25, frameShift = 10, useEnergy = false } = options
  const size = Math.floor((sampleRate * frameLength) / 1000)
  const shift = Math.floor((sampleRate * frameShift) / 1000)
  const { frames, sampleAt } = framing(signal, size, shift, options.snipEdges ?? true)
  const window = makeWindow(options.window ?? 'povey', size, false)
  const fft = new Fft(2 ** Math.ceil(Math.log2(size)))
  const high = options.highFrequency ?? 0
  const bank = kaldiMelBank({
    sampleRate,
    fftLength: fft.length,
    mels,
    lowFrequency: options.lowFrequency ?? 20,
    highFrequency: high > 0 ? high : sampleRate / 2 + high,
  })
  const first = useEnergy ? 1 : 0
  const width = mels + first
  const values = new Float32Array(frames * width)
  const frame = new Float64Array(size)
  for (let t = 0; t < frames; t++) {
    for (let i = 0; i < size; i++) frame[i] = sampleAt(t, i)
    const energy = prepareFrame(frame, window)
    const { real, imaginary } = fft.transform(frame)
    const power = real.map((re, bin) => re * re + (imaginary[bin] ?? 0) ** 2)
    if (useEnergy) values[t * width] = Math.max(Math.log(Math.max(energy, EPSILON)), LOG_ENERGY_FLOOR)
    bank.forEach((filter, m) => {
      values[t * width + first + m] = Math.log(Math.max(filterEnergy(filter, power), EPSILON))
    })
  }
  return { values, frames, width }
}

/** Cepstra of the log mel energies: [frames, cepstra], liftered; `useEnergy` replaces column 0. */
export function kaldiMfcc(
  signal: Float32Array,
  options: KaldiOptions & { readonly cepstra?: number } = {},
): Features {
  const { cepstra = 13, mels = 23, useEnergy = false } = options
  const bank = kaldiFbank(signal, { ...options, mels })
  const first = useEnergy ? 1 : 0
  const transform = Array.from({ length: cepstra }, (_, k) => {
    const lifter = 1 + (CEPSTRAL_LIFTER / 2) * Math.sin((Math.PI * k) / CEPSTRAL_LIFTER)
    const scale = lifter * Math.sqrt((k === 0 ? 1 : 2) / mels)
    return Float64Array.from({ length: mels }, (_, m) => scale * Math.cos((Math.PI / mels) * (m + 0.5) * k))
  })
  const values = new Float32Array(bank.frames * cepstra)
  for (let t = 0; t < bank.frames; t++) {
    const row = bank.values.subarray(t * bank.width, (t + 1) * bank.width)
    transform.forEach((weights, k) => {
      values[t * cepstra + k] = weights.reduce((sum, weight, m) => sum + weight * (row[first + m] ?? 0), 0)
    })
    if (useEnergy) values[t * cepstra] = row[0] ?? 0
  }
  return { values, frames: bank.frames, width: cepstra }
}

/**
 * Removes the mean, pre-emphasises and windows in place.
 * @returns the frame's energy after the mean is removed ("raw energy")
 */
function prepareFrame(frame: Float64Array, window: Float64Array): number {
  const mean = frame.reduce((sum, value) => sum + value, 0) / frame.length
  let energy = 0
  for (let i = 0; i < frame.length; i++) {
    const value = (frame[i] ?? 0) - mean
    frame[i] = value
    energy += value * value
  }
  for (let i = frame.length - 1; i >= 0; i--) {
    const before = frame[Math.max(0, i - 1)] ?? 0
    frame[i] = ((frame[i] ?? 0) - PREEMPHASIS * before) * (window[i] ?? 0)
  }
  return energy
}

/** Number of frames, and sample i of frame t. */
function framing(signal: Float32Array, size: number, shift: number, snipEdges: boolean) {
  const { length } = signal
  if (snipEdges) {
    const frames = length < size ? 0 : 1 + Math.floor((length - size) / shift)
    return { frames, sampleAt: (t: number, i: number) => signal[t * shift + i] ?? 0 }
  }
  const frames = Math.floor((length + Math.floor(shift / 2)) / shift)
  const offset = Math.floor(size / 2) - Math.floor(shift / 2)
  return {
    frames,
    // Mirrored with the edge sample repeated.
    sampleAt: (t: number, i: number) => {
      const at = t * shift + i - offset
      return signal[at < 0 ? -1 - at : at < length ? at : 2 * length - 1 - at] ?? 0
    },
  }
}
