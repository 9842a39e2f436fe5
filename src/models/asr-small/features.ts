/**
 * What the recogniser hears: Kaldi's log mel energies, 64 bands from 20 Hz to 8 kHz, a frame each 10 ms, at 16 kHz.
 * Stored as bytes: a step of 0.1 in the natural logarithm is far below what a microphone's noise changes.
 */
import { RESAMPLE_FAST, resample } from '../../ml/audio/resample.js'
import { LogMel } from './log-mel.js'

export const SAMPLE_RATE = 16_000
export const MELS = 64
/** Frames a second. */
export const FRAME_RATE = 100
/** Full scale of 16 bits, as Kaldi expects. */
const FULL_SCALE = 32_768
const STEP = 0.1
/** The energy of the last bit of 16 is about 2, full scale about 26. */
const LOWEST = 2

/** [frames, MELS] bytes in C order. */
export interface StoredFeatures {
  readonly bytes: Uint8Array
  readonly frames: number
}

/** Its tables take longer to make than a short sound to hear. */
let extractor: LogMel | undefined

/** @param samples in [-1, 1). @param sampleRate Hz; other rates are resampled. */
export function extractFeatures(samples: Float32Array, sampleRate: number): StoredFeatures {
  const at16k =
    sampleRate === SAMPLE_RATE ? samples : resample(samples, sampleRate, SAMPLE_RATE, RESAMPLE_FAST)
  const scaled = at16k.map((value) => value * FULL_SCALE)
  extractor ??= new LogMel({
    sampleRate: SAMPLE_RATE,
    mels: MELS,
    frameLength: 400,
    frameShift: 160,
    fftLength: 512,
  })
  const values = extractor.extract(scaled)
  const bytes = new Uint8Array(values.length)
  for (let i = 0; i < values.length; i++)
    bytes[i] = Math.max(0, Math.min(255, Math.round(((values[i] as number) - LOWEST) / STEP)))
  return { bytes, frames: values.length / MELS }
}

/** Natural logarithm of a stored band energy. */
export const logEnergy = (byte: number): number => LOWEST + byte * STEP

/** Standard deviation of log energies that the model's input is divided by; a constant, so that it stores nothing. */
const DEVIATION = 3

/**
 * The model's input: log energies less their mean over the utterance, a band at a time.
 * @param values [frames, MELS] log energies. @returns a new array.
 */
export function normaliseFrames(values: Float32Array): Float32Array {
  const frames = values.length / MELS
  const mean = new Float64Array(MELS)
  for (let i = 0; i < values.length; i++) mean[i % MELS] = (mean[i % MELS] ?? 0) + (values[i] ?? 0) / frames
  return values.map((value, i) => (value - (mean[i % MELS] ?? 0)) / DEVIATION)
}

/** Stored features as log energies. */
export function toLogEnergies({ bytes }: StoredFeatures): Float32Array {
  return Float32Array.from(bytes, logEnergy)
}
