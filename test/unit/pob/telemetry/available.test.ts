import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RateSearch } from '../../../../src/pob/telemetry/available.js'

/** A link whose queue grows with what is too much. */
function searchOn(
  availableKbps: number,
  highestKbps: number,
  spoiled: (step: number) => boolean = () => false,
) {
  const search = new RateSearch(highestKbps)
  let steps = 0
  for (let rate = search.next(); rate !== undefined; rate = search.next()) {
    const isTooMuch = rate > availableKbps || spoiled(steps++)
    search.record({ rateKbps: rate, deliveredShare: 1, growthMicros: isTooMuch ? 6000 : 100 })
  }
  return search.result()
}

describe('the search for the available bandwidth', () => {
  it('ends within 1/128 below what there is, in at most 20 trains', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 400_000 }),
        fc.integer({ min: 1000, max: 400_000 }),
        (available, highest) => {
          const { rateKbps, steps, isLimited } = searchOn(available, highest)
          expect(steps.length).toBeLessThanOrEqual(20)
          expect(isLimited).toBe(available >= highest)
          expect(rateKbps).toBeLessThanOrEqual(available)
          expect(rateKbps).toBeGreaterThanOrEqual(Math.min(available, highest) - highest / 128 - 1)
        },
      ),
    )
  })

  it('survives a train that is spoiled now and then, because a rate fails only twice', () => {
    const clean = searchOn(90_000, 170_000)
    const noisy = searchOn(90_000, 170_000, (step) => step % 3 === 1)
    expect(Math.abs(noisy.rateKbps - clean.rateKbps)).toBeLessThanOrEqual(170_000 / 128)
  })

  it.each([
    ['2.1 % are lost', { deliveredShare: 0.979, growthMicros: 0 }, false],
    ['the queue grew by 5.1 ms', { deliveredShare: 1, growthMicros: 5100 }, false],
    ['neither', { deliveredShare: 0.98, growthMicros: 5000 }, true],
  ])('a rate passes where %s: %j', (_, outcome, passed) => {
    const search = new RateSearch(1000)
    search.record({ rateKbps: 1000, ...outcome })
    expect(search.result().steps[0]?.passed).toBe(passed)
  })
})
