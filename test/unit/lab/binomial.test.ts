import { describe, expect, it } from 'vitest'
import { binomialAtMost, shareInterval } from '../../../src/lab/binomial.js'

describe('counts against a probability', () => {
  it('by hand: four tosses', () => {
    expect([0, 1, 2, 3, 4].map((most) => 16 * binomialAtMost(most, 4, 0.5))).toEqual(
      [1, 5, 11, 15, 16].map((sum) => expect.closeTo(sum, 10)),
    )
    expect(binomialAtMost(-1, 4, 0.5)).toBe(0)
    expect(binomialAtMost(3, 4, 1)).toBe(0)
    expect(binomialAtMost(0, 4, 0)).toBe(1)
  })

  it('many tries: both tails add up to one, far beyond what a product of doubles holds', () => {
    const [tries, share] = [20_000, 0.95]
    for (const most of [18_800, 19_000, 19_060])
      expect(
        binomialAtMost(most, tries, share) + binomialAtMost(tries - most - 1, tries, 1 - share),
      ).toBeCloseTo(1, 9)
    // Half of it lies below the mean, about.
    expect(Math.abs(binomialAtMost(19_000, tries, share) - 0.5)).toBeLessThan(0.02)
  })

  it('intervals: the rule of three, and that of the textbook', () => {
    // None of 2,000: 1 - 0.025^(1/2000).
    expect(shareInterval(0, 2000)).toEqual({ low: 0, high: expect.closeTo(1 - 0.025 ** (1 / 2000), 10) })
    expect(shareInterval(2000, 2000).low).toBeCloseTo(0.025 ** (1 / 2000), 10)
    // Clopper and Pearson's chart and every table since: 8 of 10.
    const { low, high } = shareInterval(8, 10)
    expect(low).toBeCloseTo(0.4439, 4)
    expect(high).toBeCloseTo(0.9748, 4)
  })
})
