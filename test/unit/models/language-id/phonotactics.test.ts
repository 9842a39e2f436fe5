import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../../src/ml/train/random.js'
import { LANGUAGES } from '../../../../src/models/language-id/languages.js'
import { BLANK, PHONE_CLASSES } from '../../../../src/models/language-id/phones.js'
import {
  countBigrams,
  PHONE_COUNT,
  type PhoneBigrams,
  type Phonotactics,
  scaleToOne,
  scorePhones,
} from '../../../../src/models/language-id/phonotactics.js'
import {
  formatPhonotactics,
  PHONOTACTICS_FILE,
  readPhonotactics,
} from '../../../../src/models/language-id/phonotactics-file.js'

const random = Random.named(3, 'phonotactics')
const shares = (length: number): Float64Array => {
  const values = Float64Array.from({ length }, () => 0.05 + random.uniform())
  scaleToOne(values)
  return values
}
const drawBigrams = (): PhoneBigrams => ({
  anywhere: shares(PHONE_COUNT),
  next: Float64Array.from(Array.from({ length: PHONE_COUNT }, () => [...shares(PHONE_COUNT)]).flat()),
})
const drawn: Phonotactics = { heard: shares(PHONE_COUNT), languages: LANGUAGES.map(drawBigrams) }

/** [frames, PHONE_CLASSES]: only the blank and a few phones are possible. */
const posteriors = (rows: readonly Readonly<Record<number, number>>[]): Float32Array => {
  const heard = new Float32Array(rows.length * PHONE_CLASSES).fill(-1000)
  rows.forEach((row, t) => {
    for (const [phone, probability] of Object.entries(row))
      heard[t * PHONE_CLASSES + Number(phone)] = Math.log(probability)
  })
  return heard
}
const said = (phones: readonly number[]): Float32Array =>
  posteriors(phones.map((phone) => ({ [phone]: 0.97, [phone === BLANK ? 9 : BLANK]: 0.03 })))

/** The definition: every path, one after the other. */
function likelihood(
  rows: readonly Readonly<Record<number, number>>[],
  { anywhere, next }: PhoneBigrams,
  heard: Float64Array,
): number {
  let sum = 0
  const walk = (t: number, path: readonly number[], acoustic: number): void => {
    const row = rows[t]
    if (row === undefined) {
      const phones = path.filter((phone, i) => phone !== BLANK && phone !== path[i - 1])
      sum += phones.reduce((product, phone, i) => {
        const before = phones[i - 1]
        const share =
          before === undefined ? anywhere[phone - 1] : next[(before - 1) * PHONE_COUNT + phone - 1]
        return product * (share ?? 0)
      }, acoustic)
      return
    }
    for (const [name, probability] of Object.entries(row)) {
      const phone = Number(name)
      const evidence = phone === BLANK ? probability : probability / (heard[phone - 1] ?? 1)
      walk(t + 1, [...path, phone], acoustic * evidence)
    }
  }
  walk(0, [], 1)
  return sum
}

describe('bigrams', () => {
  it('are what was seen, and some of what was not, as it stands anywhere', () => {
    const { anywhere, next } = countBigrams([
      [1, 2, 1, 3],
      [1, 2],
    ])
    expect(anywhere[0]).toBeCloseTo((3 + 1) / (6 + PHONE_COUNT), 12)
    // After the first: twice the second, once the third, so two kinds.
    expect(next[1]).toBeCloseTo((2 + 2 * (anywhere[1] ?? 0)) / 5, 12)
    expect(next[2]).toBeCloseTo((1 + 2 * (anywhere[2] ?? 0)) / 5, 12)
    expect(next[7]).toBeCloseTo((2 * (anywhere[7] ?? 0)) / 5, 12)
    // After a phone that was never seen.
    expect([...next.subarray(30 * PHONE_COUNT, 31 * PHONE_COUNT)]).toEqual([...anywhere])
    for (let row = 0; row < PHONE_COUNT; row++)
      expect(
        next.subarray(row * PHONE_COUNT, (row + 1) * PHONE_COUNT).reduce((sum, each) => sum + each),
      ).toBeCloseTo(1, 9)
  })
})

describe('the score of what was heard', () => {
  it('counts every path, with repetitions and blanks as CTC has them', () => {
    const rows = Array.from({ length: 6 }, () => {
      const parts = [0, 4, 5, PHONE_COUNT].map((phone) => [phone, 0.05 + random.uniform()] as const)
      const all = parts.reduce((sum, [, part]) => sum + part, 0)
      return Object.fromEntries(parts.map(([phone, part]) => [phone, part / all]))
    })
    const scores = scorePhones(posteriors(rows), drawn) ?? []
    expect(scores).toHaveLength(LANGUAGES.length)
    // Six frames are less than three seconds.
    scores.forEach((score, i) => {
      const bigrams = drawn.languages[i]
      if (bigrams === undefined) throw new Error('there is no such language')
      expect(score * 3).toBeCloseTo(Math.log(likelihood(rows, bigrams, drawn.heard)), 4)
    })
  })

  it('is greater in the language whose phones follow each other so', () => {
    // The same phones in both, each as often: their order alone differs.
    const orders = [
      [10, 20, 30],
      [30, 20, 10],
    ]
    const languages = orders.map((order) =>
      countBigrams(Array.from({ length: 40 }, () => [...order, ...order])),
    )
    const heard = new Float64Array(PHONE_COUNT).fill(1 / PHONE_COUNT)
    orders.forEach((order, i) => {
      const sound = said([...order, ...order].flatMap((phone) => [phone, BLANK]))
      const scores = scorePhones(sound, { heard, languages }) ?? []
      expect(scores[i]).toBeGreaterThan((scores[1 - i] ?? 0) + 1)
    })
  })

  it('is none where no phone is likelier than none', () => {
    expect(scorePhones(said([0, 0, 0]), drawn)).toBeUndefined()
    expect(scorePhones(new Float32Array(0), drawn)).toBeUndefined()
  })

  it('stays a number over twelve minutes of sound, and is that of a part of it', () => {
    const some = said([4, 0, 5, 5, 0, PHONE_COUNT])
    const times = 3000
    const whole = new Float32Array(some.length * times)
    for (let i = 0; i < times; i++) whole.set(some, i * some.length)
    const part = whole.subarray(0, some.length * 1000)
    const [long, short] = [scorePhones(whole, drawn) ?? [], scorePhones(part, drawn) ?? []]
    expect(long).toHaveLength(LANGUAGES.length)
    expect(long.every(Number.isFinite)).toBe(true)
    long.forEach((score, i) => {
      expect(score).toBeCloseTo(short[i] ?? 0, 1)
    })
  })
})

describe('phonotactics.json', () => {
  it('comes back from its file to a hundredth, and a damaged file is told', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'plumbline-phonotactics-'))
    try {
      const path = join(folder, PHONOTACTICS_FILE)
      await writeFile(path, formatPhonotactics(drawn))
      const read = await readPhonotactics(path)
      expect(read.languages).toHaveLength(LANGUAGES.length)
      read.languages.forEach(({ next }, language) => {
        next.forEach((value, i) => {
          expect(Math.abs(Math.log(value / (drawn.languages[language]?.next[i] ?? 0)))).toBeLessThan(0.0051)
        })
      })
      expect(read.heard[3]).toBeCloseTo(drawn.heard[3] ?? 0, 3)
      await writeFile(path, formatPhonotactics({ ...drawn, languages: drawn.languages.slice(0, 4) }))
      await expect(readPhonotactics(path)).rejects.toThrow(/does not hold the phones of the languages/)
      await writeFile(path, '{"heard": [1e999]}')
      await expect(readPhonotactics(path)).rejects.toThrow(/phonotactics.json/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
