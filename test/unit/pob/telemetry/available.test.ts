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
    search.record({ rateKbps: rate, deliveredShare: 1, growthMicros: isTooMuch ? 6000 : 0 })
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

  it('takes off what the queue of the last step took in', () => {
    // 5 ms in the 450 ms between the tenths are 1.1 % of a link of 250 Mbit/s.
    const link = 250_000
    for (const available of [220_000, 140_000, 90_000]) {
      const search = new RateSearch(240_000)
      for (let rate = search.next(); rate !== undefined; rate = search.next())
        search.record({
          rateKbps: rate,
          deliveredShare: 1,
          growthMicros: Math.max(0, ((rate - available) / link) * 450_000),
        })
      const { rateKbps } = search.result()
      expect(Math.abs(rateKbps - available) / available).toBeLessThan(0.022)
      expect(rateKbps).toBeLessThan(available + 200)
    }
  })

  it('is not taken in by a pause of the other traffic: after a failure one pass is none', () => {
    const search = new RateSearch(200)
    const tried = (growthMicros: number) => {
      const rateKbps = search.next() ?? 0
      search.record({ rateKbps, deliveredShare: 1, growthMicros })
      return rateKbps
    }
    expect([tried(9000), tried(100), tried(9000), tried(0)]).toEqual([200, 200, 200, 100])
    expect(search.result().rateKbps).toBe(100)
    const again = new RateSearch(200)
    for (const growthMicros of [9000, 0, 0]) again.record({ rateKbps: 200, deliveredShare: 1, growthMicros })
    expect(again.result()).toMatchObject({ rateKbps: 200, isLimited: true })
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
