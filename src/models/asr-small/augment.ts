/**
 * Variety in training, all on log energies: another speed and another throat (both axes stretched), noise under the
 * speech, a telephone's band, and stretches hidden as in SpecAugment (Park et al. 2019).
 */
import type { Random } from '../../ml/train/random.js'
import { logEnergy, MELS, normaliseFrames, type StoredFeatures } from './features.js'

export interface AugmentOptions {
  /** Speeds are drawn between these, evenly in the logarithm. */
  readonly speed: readonly [slowest: number, fastest: number]
  /** Bands are stretched by up to this share. */
  readonly bandWarp: number
  /** Probability of noise, and its distance below the speech's mean energy, in natural logarithms. */
  readonly noise: { readonly probability: number; readonly below: readonly [least: number, most: number] }
  /** Probability that only the lower bands remain, as of a telephone, and how many. */
  readonly telephone: { readonly probability: number; readonly bands: readonly [least: number, most: number] }
  readonly bandMasks: { readonly count: number; readonly widest: number }
  readonly timeMasks: { readonly count: number; readonly widest: number; readonly share: number }
}

/** Of 64 bands to 8 kHz, those below 3.5 kHz. */
const TELEPHONE_BANDS = 45

export const AUGMENT: AugmentOptions = {
  speed: [0.85, 1.18],
  bandWarp: 0.12,
  noise: { probability: 0.5, below: [0.5, 7] },
  telephone: { probability: 0.1, bands: [TELEPHONE_BANDS, TELEPHONE_BANDS] },
  bandMasks: { count: 2, widest: 10 },
  timeMasks: { count: 3, widest: 25, share: 0.06 },
}

export const drawSpeed = (random: Random, { speed: [slowest, fastest] }: AugmentOptions): number =>
  slowest * (fastest / slowest) ** random.uniform()

export const framesAtSpeed = (frames: number, speed: number): number =>
  Math.max(1, Math.round(frames / speed))

/** One utterance as the model gets it: [framesAtSpeed, MELS]. */
export function augment(
  { bytes, frames }: StoredFeatures,
  speed: number,
  random: Random,
  options: AugmentOptions = AUGMENT,
): Float32Array {
  const count = framesAtSpeed(frames, speed)
  const warp = 1 + (2 * random.uniform() - 1) * options.bandWarp
  const warped = stretch(bytes, frames, count, warp)
  if (random.uniform() < options.noise.probability) addNoise(warped, random, options.noise.below)
  const { probability, bands } = options.telephone
  if (random.uniform() < probability) {
    const [least, most] = bands
    // One draw less where there is nothing to draw: asr-small's variety stays what it was.
    const kept = most > least ? least + random.below(most - least + 1) : least
    for (let t = 0; t < count; t++) warped.fill(logEnergy(0), t * MELS + kept, (t + 1) * MELS)
  }
  const values = normaliseFrames(warped)
  hide(values, count, random, options)
  return values
}

/** Both axes by linear interpolation. */
function stretch(bytes: Uint8Array, frames: number, count: number, warp: number): Float32Array {
  const out = new Float32Array(count * MELS)
  const places = Array.from({ length: MELS }, (_, m) => Math.min(MELS - 1.001, m * warp))
  const ratio = count > 1 ? (frames - 1) / (count - 1) : 0
  for (let t = 0; t < count; t++) {
    const source = Math.min(frames - 1, t * ratio)
    const before = Math.floor(source)
    const after = Math.min(frames - 1, before + 1)
    const late = source - before
    for (let m = 0; m < MELS; m++) {
      const place = places[m] as number
      const low = Math.floor(place)
      const high = place - low
      const a = before * MELS + low
      const b = after * MELS + low
      const early = (bytes[a] as number) * (1 - high) + (bytes[a + 1] as number) * high
      const later = (bytes[b] as number) * (1 - high) + (bytes[b + 1] as number) * high
      out[t * MELS + m] = logEnergy(early * (1 - late) + later * late)
    }
  }
  return out
}

/** Steady noise with a sloping spectrum, its energy added. */
function addNoise(values: Float32Array, random: Random, [least, most]: readonly [number, number]): void {
  let mean = 0
  for (let i = 0; i < values.length; i++) mean += values[i] as number
  mean /= values.length
  const level = mean - least - random.uniform() * (most - least)
  const slope = (random.uniform() - 0.5) * 4
  const energies = Float64Array.from({ length: MELS }, (_, m) => Math.exp(level + slope * (m / MELS - 0.5)))
  for (let i = 0; i < values.length; i++) {
    const flutter = 0.5 + random.uniform()
    values[i] = Math.log(Math.exp(values[i] as number) + (energies[i % MELS] as number) * flutter)
  }
}

/** Stretches set to the mean, which is 0. */
function hide(values: Float32Array, frames: number, random: Random, options: AugmentOptions): void {
  const { bandMasks, timeMasks } = options
  for (let i = 0; i < bandMasks.count; i++) {
    const width = random.below(bandMasks.widest + 1)
    const from = random.below(MELS - width + 1)
    for (let t = 0; t < frames; t++) values.fill(0, t * MELS + from, t * MELS + from + width)
  }
  for (let i = 0; i < timeMasks.count; i++) {
    const widest = Math.min(timeMasks.widest, Math.floor(frames * timeMasks.share))
    const width = random.below(widest + 1)
    const from = random.below(frames - width + 1)
    values.fill(0, from * MELS, (from + width) * MELS)
  }
}
