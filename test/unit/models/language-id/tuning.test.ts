import { describe, expect, it } from 'vitest'
import { Random } from '../../../../src/ml/train/random.js'
import { LANGUAGES } from '../../../../src/models/language-id/languages.js'
import { probabilitiesOf } from '../../../../src/models/language-id/probabilities.js'
import { fitTuning, type Judged } from '../../../../src/models/language-id/tuning.js'

const random = Random.named(5, 'tuning')
/** Scores of a language that is heard, each language's lowered by what it is heard too little. */
const hear = (count: number, lowered: readonly number[]): readonly Judged[] =>
  LANGUAGES.flatMap((_, language) =>
    Array.from({ length: count }, () => ({
      language,
      weight: 1,
      scores: LANGUAGES.map(
        (_each, i) => (i === language ? 2 : 0) + 4 * (random.uniform() - 0.5) - (lowered[i] ?? 0),
      ),
    })),
  )
const rightOf = (judged: readonly Judged[], offsets: readonly number[]): number =>
  judged.filter(({ language, scores }) => {
    const sums = scores.map((score, i) => score + (offsets[i] ?? 0))
    return sums.indexOf(Math.max(...sums)) === language
  }).length / judged.length

describe('tuning', () => {
  it('gives back to a language what it is heard too little', () => {
    const lowered = [0, 0, 3, 0, 1.5]
    const { offsets } = fitTuning(hear(60, lowered))
    const mean = offsets.reduce((sum, offset) => sum + offset, 0) / offsets.length
    offsets.forEach((offset, i) => {
      expect(Math.abs(offset - mean - ((lowered[i] ?? 0) - 0.9))).toBeLessThan(0.8)
    })
    const others = hear(60, lowered)
    expect(rightOf(others, offsets)).toBeGreaterThan(rightOf(others, [0, 0, 0, 0, 0]) + 0.08)
  })

  it('is less sure the less the scores tell', () => {
    const clear = hear(40, [])
    const vague = clear.map((each) => ({
      ...each,
      scores: each.scores.map((score) => score + 30 * (random.uniform() - 0.5)),
    }))
    expect(fitTuning(vague).scale).toBeLessThan(fitTuning(clear).scale / 3)
  })

  it('does not think a language likelier that there is more of', () => {
    // Scores that tell nothing: whatever is learnt is how much there is of each.
    const nothing = (language: number): Judged => ({ language, weight: 1, scores: [0, 0, 0, 0, 0] })
    const judged = [0, 1, 2, 3, 4].flatMap((language) =>
      Array.from({ length: language === 3 ? 5 : 50 }, () => nothing(language)),
    )
    for (const offset of fitTuning(judged).offsets) expect(Math.abs(offset)).toBeLessThan(0.05)
  })

  it('is held back: one recording does not move its language far', () => {
    const judged = [0, 1, 2, 4].flatMap((language) =>
      Array.from({ length: 50 }, (_, i) => ({
        language,
        weight: 1,
        scores: LANGUAGES.map((_each, k) => (k === language ? 3 : 0) + ((i * 7 + k * 3) % 5) * 0.8),
      })),
    )
    const { offsets, scale } = fitTuning([...judged, { language: 3, weight: 5, scores: [9, 9, 9, 6, 9] }])
    expect(scale * (offsets[3] ?? 0)).toBeGreaterThan(0.1)
    // Alone with its recording it would be at 1.0.
    expect(scale * (offsets[3] ?? 0)).toBeLessThan(0.6)
  })

  it('leaves a language where it was of which there is nothing', () => {
    const { offsets, scale } = fitTuning(hear(60, []).filter(({ language }) => language !== 3))
    expect(Math.abs(scale * (offsets[3] ?? 0))).toBeLessThan(1)
  })
})

describe('probabilities', () => {
  it('are surer where scores count for more', () => {
    const [first = 0] = probabilitiesOf([1, 0, 0, 0, 0], { offsets: [], scale: 1 })
    const [surer = 0] = probabilitiesOf([0, 0, 0, 0, 0], { offsets: [1, 0, 0, 0, 0], scale: 3 })
    expect(first).toBeCloseTo(Math.E / (Math.E + 4), 9)
    expect(surer).toBeCloseTo(Math.E ** 3 / (Math.E ** 3 + 4), 9)
  })
})
