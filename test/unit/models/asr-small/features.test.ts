import { describe, expect, it } from 'vitest'
import { Random } from '../../../../src/ml/train/random.js'
import {
  bandsReached,
  extractFeatures,
  MELS,
  normaliseFrames,
  toLogEnergies,
  toModelInput,
} from '../../../../src/models/asr-small/features.js'

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
    // The 49th band's middle is at 3.9 kHz, the 53rd's at 4.7 kHz.
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
