import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../../src/ml/train/random.js'
import { LANGUAGES } from '../../../../src/models/language-id/languages.js'
import { PHONE_CLASSES } from '../../../../src/models/language-id/phones.js'
import {
  estimateBigrams,
  formatPhonotactics,
  heardPhones,
  readPhonotactics,
  scorePhones,
  type WeightedPhones,
} from '../../../../src/models/language-id/phonotactics.js'

const C = PHONE_CLASSES
const random = Random.named(3, 'phonotactics')

/** Phones of a made-up language: each steps on by its own stride, and is now and then another. */
const speak = (language: number, count: number): readonly number[] =>
  Array.from(
    { length: count },
    (_, i) => 1 + (random.below(4) === 0 ? random.below(7) : (i * (language + 1)) % 7),
  )
const sequences = LANGUAGES.map((_, language) =>
  Array.from({ length: 30 }, (): WeightedPhones => ({ phones: speak(language, 20), weight: 1 })),
)
const bigrams = sequences.map(estimateBigrams)

describe('phone statistics', () => {
  it('are distributions, of what follows what', () => {
    const own = estimateBigrams([{ phones: [1, 2, 1, 2, 1, 2, 3], weight: 1 }])
    for (const before of [0, 1, 2, 40]) {
      const row = own.subarray(before * C, (before + 1) * C)
      expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 9)
      expect(row[0]).toBe(0)
    }
    expect(own[C + 2]).toBeGreaterThan(own[C + 3] ?? 1)
  })

  it('count a sequence of weight two as two of weight one', () => {
    const phones = [4, 5, 6, 4, 5]
    const twice = estimateBigrams([
      { phones, weight: 1 },
      { phones, weight: 1 },
    ])
    expect(estimateBigrams([{ phones, weight: 2 }])).toEqual(twice)
  })

  it('tell languages that share all their phones by the order of them', () => {
    LANGUAGES.forEach((_, language) => {
      const scores = scorePhones(speak(language, 60), bigrams)
      expect(scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(0, 9)
      expect(scores.indexOf(Math.max(...scores))).toBe(language)
    })
  })

  it('score the mean logarithm of what the file says', () => {
    const own = (language: number, before: number, phone: number): number =>
      Math.log(bigrams[language]?.[before * C + phone] ?? 0)
    const all = LANGUAGES.map((_, i) => (own(i, 0, 3) + own(i, 3, 1)) / 2)
    const mean = all.reduce((sum, value) => sum + value, 0) / all.length
    scorePhones([3, 1], bigrams).forEach((score, i) => {
      expect(score).toBeCloseTo((all[i] ?? 0) - mean, 9)
    })
  })

  it('come back from their file, and a damaged file is told', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'plumbline-phonotactics-'))
    try {
      const path = join(folder, 'phonotactics.json')
      await writeFile(path, formatPhonotactics(bigrams))
      const read = await readPhonotactics(path)
      const worst = (language: number): number =>
        (read[language] ?? new Float64Array(1)).reduce(
          (most, value, i) => Math.max(most, Math.abs(value - (bigrams[language]?.[i] ?? 0))),
          0,
        )
      LANGUAGES.forEach((_, language) => {
        expect(read[language]).toHaveLength(C * C)
        expect(worst(language)).toBeLessThan(1e-4)
      })
      await writeFile(path, formatPhonotactics(bigrams.slice(0, 4)))
      await expect(readPhonotactics(path)).rejects.toThrow(/does not hold phone statistics/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

describe('what is heard', () => {
  it('is the likeliest of each frame, repeats merged unless a blank is between', () => {
    const path = [0, 7, 7, 0, 7, 9, 9, 0, 0]
    const heard = new Float32Array(path.length * C).fill(-9)
    path.forEach((each, t) => {
      heard[t * C + each] = -0.1
    })
    expect(heardPhones(heard)).toEqual([7, 7, 9])
  })
})
