import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../../src/ml/train/random.js'
import { AUGMENT, augment } from '../../../../src/models/asr-small/augment.js'
import {
  bandsReached,
  extractFeatures,
  MELS,
  normaliseFrames,
  toLogEnergies,
  toModelInput,
} from '../../../../src/models/asr-small/features.js'
import { AsrSmall } from '../../../../src/models/asr-small/recogniser.js'

/** Noise in bursts, as loud as speech, up to half the rate. */
const burstsAt = (sampleRate: number): Float32Array => {
  const random = Random.named(1, `bursts/${sampleRate}`)
  return Float32Array.from(
    { length: 2 * sampleRate },
    (_, i) => (random.uniform() - 0.5) * (Math.floor((6 * i) / sampleRate) % 2 === 0 ? 0.5 : 0.01),
  )
}

describe('bands that a sound reaches', () => {
  it('are all of them at 16 kHz, and those below 4 kHz where it came at 8 kHz', () => {
    expect(bandsReached(extractFeatures(burstsAt(16_000), 16_000))).toBe(MELS)
    const narrow = bandsReached(extractFeatures(burstsAt(8000), 8000))
    // The 49th band's middle is at 4.0 kHz, the 53rd's at 4.8 kHz.
    expect(narrow).toBeGreaterThanOrEqual(48)
    expect(narrow).toBeLessThanOrEqual(53)
  })

  it('are all that the model hears: above them is nothing, below what was there', () => {
    const features = extractFeatures(burstsAt(8000), 8000)
    const reached = bandsReached(features)
    const [input, whole] = [toModelInput(features), normaliseFrames(toLogEnergies(features))]
    let above = 0
    input.forEach((value, i) => {
      if (i % MELS < reached) expect(value).toBe(whole[i])
      else {
        expect(value).toBe(0)
        above = Math.max(above, Math.abs(whole[i] ?? 0))
      }
    })
    // What resampling leaves would move with the speech.
    expect(above).toBeGreaterThan(0.5)
  })

  it('are told of silence and of nothing, too', () => {
    expect(bandsReached({ bytes: new Uint8Array(100 * MELS), frames: 100 })).toBe(MELS)
    expect(toModelInput({ bytes: new Uint8Array(0), frames: 0 })).toHaveLength(0)
  })
})

describe('asr-small, as shipped', () => {
  it('hears nothing of what is above the bands that a sound reaches', async () => {
    const features = extractFeatures(burstsAt(8000), 8000)
    const reached = bandsReached(features)
    const ghosts = Random.named(2, 'ghosts')
    // As faint as what resampling leaves.
    const haunted = features.bytes.map((byte, i) => (i % MELS < reached ? byte : ghosts.below(40)))
    expect(bandsReached({ ...features, bytes: haunted })).toBe(reached)
    const model = await AsrSmall.open(fileURLToPath(new URL('../../../../models/asr-small', import.meta.url)))
    try {
      const [plain] = await model.ofFeatures(features)
      const [other] = await model.ofFeatures({ ...features, bytes: haunted })
      expect(plain?.data.length).toBeGreaterThan(0)
      expect(other?.data).toEqual(plain?.data)
    } finally {
      await model.close()
    }
  })
})

describe('the variety of training', () => {
  const features = extractFeatures(burstsAt(16_000), 16_000)
  /** Bands that are left, of a sound that has all. */
  const kept = (seed: number, bands: readonly [number, number]): number => {
    const quiet = { count: 0, widest: 0, share: 0 }
    const options = {
      ...AUGMENT,
      noise: { ...AUGMENT.noise, probability: 0 },
      telephone: { probability: 1, bands },
      bandMasks: quiet,
      timeMasks: quiet,
    }
    const values = augment(features, 1, Random.named(seed, 'telephone'), options)
    const isHeard = (band: number): boolean =>
      values.some((value, i) => i % MELS === band && Math.abs(value) > 0.001)
    return Array.from({ length: MELS }, (_, band) => band).filter(isHeard).length
  }

  it('has a telephone of one band, or of as many as are named', () => {
    const seeds = Array.from({ length: 30 }, (_, seed) => seed)
    expect(new Set(seeds.map((seed) => kept(seed, [45, 45])))).toEqual(new Set([45]))
    expect(new Set(seeds.map((seed) => kept(seed, [42, 44])))).toEqual(new Set([42, 43, 44]))
  })
})
