import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../../src/ml/train/random.js'
import {
  type Example,
  fitClassifier,
  formatClassifier,
  probabilitiesOf,
  readClassifier,
  scoreShares,
} from '../../../../src/models/language-id/classifier.js'
import { LANGUAGES } from '../../../../src/models/language-id/languages.js'
import { phoneShares, SHARES } from '../../../../src/models/language-id/phone-shares.js'
import { PHONE_CLASSES } from '../../../../src/models/language-id/phones.js'

const random = Random.named(3, 'classifier')

/** Shares of a made-up language: it likes phones of its own among those that all have. */
const hear = (language: number): Float64Array => {
  const shares = Float64Array.from(
    { length: SHARES },
    (_, i) => random.uniform() * (i % LANGUAGES.length === language ? 2 : 1),
  )
  const all = shares.reduce((sum, share) => sum + share, 0)
  return shares.map((share) => Math.sqrt(share / all))
}
const examplesOf = (count: number): readonly Example[] =>
  LANGUAGES.flatMap((_, language) =>
    Array.from({ length: count }, () => ({ shares: hear(language), language, weight: 1 })),
  )
const examples = examplesOf(20)
const classifier = fitClassifier(examples)

/** The frames' likeliest phones, each nearly certain. */
const posteriors = (path: readonly number[]): Float32Array => {
  const heard = new Float32Array(path.length * PHONE_CLASSES).fill(-20)
  path.forEach((phone, t) => {
    heard[t * PHONE_CLASSES + phone] = 0
  })
  return heard
}

describe('phone shares', () => {
  it('are roots of how much each phone is heard, wherever it is heard', () => {
    const shares = phoneShares(posteriors([0, 7, 7, 0, 9, 7, 0, 2])) ?? []
    expect(shares[6]).toBeCloseTo(Math.sqrt(3 / 5), 4)
    expect(shares[8]).toBeCloseTo(Math.sqrt(1 / 5), 4)
    expect(shares[1]).toBeCloseTo(Math.sqrt(1 / 5), 4)
    expect(phoneShares(posteriors([2, 9, 0, 7, 7, 0, 0, 7]))?.[6]).toBeCloseTo(shares[6] ?? 0, 9)
  })

  it('are none where no phone is likelier than none', () => {
    expect(phoneShares(posteriors([0, 0, 0]))).toBeUndefined()
    expect(phoneShares(new Float32Array(0))).toBeUndefined()
  })
})

describe('the classifier', () => {
  it('tells what it has not seen', () => {
    const others = examplesOf(20)
    const right = others.filter(({ shares, language }) => {
      const scores = scoreShares(shares, classifier)
      return scores.indexOf(Math.max(...scores)) === language
    })
    expect(right.length / others.length).toBeGreaterThan(0.95)
  })

  it('is at the least of its loss: no weight would better be another', () => {
    const loss = (own: typeof classifier): number =>
      examples.reduce((sum, { shares, language }) => {
        const probability = probabilitiesOf(scoreShares(shares, own))[language] ?? 0
        return sum - Math.log(probability) / examples.length
      }, 0) +
      0.1 *
        own.reduce((sum, row) => sum + row.slice(0, SHARES).reduce((all, value) => all + value ** 2, 0), 0)
    const least = loss(classifier)
    for (const [language, index] of [
      [0, 0],
      [1, 11],
      [2, SHARES],
      [4, 59],
    ] as const)
      for (const by of [-0.02, 0.02]) {
        const moved = classifier.map((row) => row.slice())
        const row = moved[language]
        if (row !== undefined) row[index] = (row[index] ?? 0) + by
        expect(loss(moved)).toBeGreaterThan(least)
      }
  })

  it('counts an example of weight two as two of weight one', () => {
    const some = examples.filter((_, i) => i % 7 === 0)
    const [first, ...rest] = some
    if (first === undefined) throw new Error('there are no examples')
    const twice = fitClassifier([first, first, ...rest])
    const heavy = fitClassifier([{ ...first, weight: 2 }, ...rest])
    heavy.forEach((row, i) => {
      row.forEach((value, j) => {
        expect(value).toBeCloseTo(twice[i]?.[j] ?? 1000, 9)
      })
    })
  })

  it('comes back from its file, and a damaged file is told', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'plumbline-classifier-'))
    try {
      const path = join(folder, 'classifier.json')
      await writeFile(path, formatClassifier(classifier))
      const read = await readClassifier(path)
      LANGUAGES.forEach((_, language) => {
        expect(read[language]).toHaveLength(SHARES + 1)
        read[language]?.forEach((value, i) => {
          expect(value).toBeCloseTo(classifier[language]?.[i] ?? 1000, 4)
        })
      })
      await writeFile(path, formatClassifier(classifier.slice(0, 4)))
      await expect(readClassifier(path)).rejects.toThrow(/does not hold weights of the languages/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('is surer of what it says where its scores count for more', () => {
    const [first = 0] = probabilitiesOf([1, 0, 0, 0, 0], 1)
    const [surer = 0] = probabilitiesOf([1, 0, 0, 0, 0], 3)
    expect(first).toBeCloseTo(Math.E / (Math.E + 4), 9)
    expect(surer).toBeCloseTo(Math.E ** 3 / (Math.E ** 3 + 4), 9)
  })
})
