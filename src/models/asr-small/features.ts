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
 * The model's input: log energies less their mean over the utterance, a band at a time, and 0 in bands that the sound
 * does not reach. @param values [frames, MELS] log energies. @returns a new array.
 */
export function normaliseFrames(values: Float32Array, reached = MELS): Float32Array {
  const frames = values.length / MELS
  const mean = new Float64Array(MELS)
  for (let i = 0; i < values.length; i++) mean[i % MELS] = (mean[i % MELS] ?? 0) + (values[i] ?? 0) / frames
  return values.map((value, i) => (i % MELS < reached ? (value - (mean[i % MELS] ?? 0)) / DEVIATION : 0))
}

/** A band whose loud frames are so far below those of the sound's loud bands holds none of it (natural logarithm). */
const FAR_BELOW = 5
const LOUD_SHARE = 0.9
/** The loudest bands may be a hum. */
const LOUD_BAND = 8
/** Up to 5.7 kHz. A sound that reaches higher has its top heard: it is faint, but it is its own. */
const NARROW_BANDS = 57

/**
 * How many bands a sound reaches into: all, or about 50 of 64 where it came at 8 kHz. What is above those is what
 * resampling left of it, faint and yet moving with the speech, which the logarithm would lift to the height of speech.
 */
export function bandsReached({ bytes, frames }: StoredFeatures): number {
  const rank = Math.floor(frames * LOUD_SHARE)
  const loud = Array.from({ length: MELS }, (_, m) => {
    const counts = new Uint32Array(256)
    for (let i = m; i < bytes.length; i += MELS) {
      const byte = bytes[i] ?? 0
      counts[byte] = (counts[byte] ?? 0) + 1
    }
    let below = 0
    return counts.findIndex((count) => {
      below += count
      return below > rank
    })
  })
  const least = (loud.toSorted((a, b) => b - a)[LOUD_BAND] ?? 0) - FAR_BELOW / STEP
  let reached = MELS
  while (reached > 0 && (loud[reached - 1] ?? 0) < least) reached--
  return reached > NARROW_BANDS ? MELS : reached
}

/** {@link normaliseFrames} of a whole sound. */
export const toModelInput = (features: StoredFeatures): Float32Array =>
  normaliseFrames(toLogEnergies(features), bandsReached(features))

/** Stored features as log energies. */
export function toLogEnergies({ bytes }: StoredFeatures): Float32Array {
  return Float32Array.from(bytes, logEnergy)
}
