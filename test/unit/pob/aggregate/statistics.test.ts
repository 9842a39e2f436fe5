import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { estimate, teamSlope } from '../../../../src/pob/aggregate/estimate.js'
import { publishedRule } from '../../../../src/pob/aggregate/published.js'
import { quantile, theilSenSlope, upperMedian } from '../../../../src/pob/aggregate/statistics.js'

describe('statistics', () => {
  it('take the larger middle value of an even number', () => {
    expect(upperMedian([3, 1, 2])).toBe(2)
    expect(upperMedian([4, 1, 3, 2])).toBe(3)
    expect(upperMedian([5])).toBe(5)
    expect(() => upperMedian([])).toThrow(RangeError)
  })

  it('quantiles by nearest rank', () => {
    const ten = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    expect([0, 0.1, 0.5, 0.9, 0.91, 1].map((q) => quantile(ten, q))).toEqual([1, 1, 5, 9, 10, 10])
    expect(() => quantile([], 0.5)).toThrow(RangeError)
  })

  it('find the slope of a line in spite of a quarter of wild points', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.array(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 3, maxLength: 3 }),
        (slope, wild) => {
          const line = Array.from({ length: 12 }, (_, x): [number, number] => [x, slope * x])
          for (const [i, y] of wild.entries()) line[i * 4] = [i * 4, y]
          expect(theilSenSlope(line)).toBe(slope)
        },
      ),
      { numRuns: 200 },
    )
    expect(theilSenSlope([[1, 1]])).toBeUndefined()
    expect(
      theilSenSlope([
        [1, 1],
        [1, 2],
      ]),
    ).toBeUndefined()
  })
})

const team = (rate: number, rtt: number, acks = 8) => ({
  memberCount: 2,
  acks: Array.from({ length: acks }, (_, k) => {
    const elapsed = 0.15 + k * 0.01
    return {
      bits: [elapsed * rate * 0.5, elapsed * rate * 0.5],
      ownSeconds: [elapsed + rtt, elapsed + rtt],
    }
  }),
})

describe('estimate', () => {
  const parameters = { tauSeconds: 0.2, capBps: 120e6, faulty: 0, cleanTeams: 0 }

  it('reads the rate from the slope, whatever the round trip', () => {
    for (const rtt of [0, 0.01, 0.03]) {
      expect(teamSlope(team(100e6, rtt))).toBeCloseTo(100e6, 0)
      const { bps, slopeBps, creditedBps } = estimate([team(100e6, rtt)], parameters, [
        [rtt * 1e6, rtt * 1e6],
      ])
      expect(slopeBps).toBeCloseTo(100e6, 0)
      expect(creditedBps).toBeCloseTo(100e6, 0)
      expect(bps).toBeCloseTo(100e6, 0)
    }
  })

  it('credits 30 ms at most', () => {
    const { creditedBps } = estimate([team(100e6, 0.1)], parameters, [[100_000, 100_000]])
    expect(creditedBps).toBeLessThan(80e6)
    expect(estimate([team(100e6, 0.1)], parameters, []).creditedBps).toBeLessThan(creditedBps)
  })

  it('credits each member its own round trip, and up to tau / 11.5 in longer slots', () => {
    const near = team(100e6, 0.005, 40)
    const far = team(100e6, 0.04, 40)
    const mixed = {
      memberCount: 2,
      acks: near.acks.map(({ bits, ownSeconds: [own = 0] }, k) => ({
        bits,
        ownSeconds: [own, far.acks[k]?.ownSeconds[1] ?? 0],
      })),
    }
    const longer = { ...parameters, tauSeconds: 0.46 }
    expect(estimate([mixed], longer, [[5000, 40_000]]).creditedBps).toBeCloseTo(100e6, 0)
    // One round trip for both would leave the far member's in.
    expect(estimate([mixed], longer, [[22_500, 22_500]]).creditedBps).toBeLessThan(98e6)
    expect(estimate([mixed], { ...longer, tauSeconds: 0.4 }, [[5000, 40_000]]).creditedBps).toBeLessThan(
      99.5e6,
    )
  })

  it('leaves out the acks after the arrivals have ended', () => {
    const { memberCount, acks } = team(100e6, 0)
    const last = acks.at(-1)
    if (last === undefined) throw new Error('no ack')
    const idle = [1, 2, 3].map((i) => ({ ...last, ownSeconds: last.ownSeconds.map((own) => own + i * 0.05) }))
    expect(teamSlope({ memberCount, acks: [...acks, ...idle] })).toBeCloseTo(100e6, 0)
  })

  it('has no slope without two acks, and then the credited value stands', () => {
    expect(teamSlope(team(100e6, 0, 1))).toBeUndefined()
    const whole = team(100e6, 0)
    const single = { ...whole, acks: whole.acks.slice(2, 3) }
    const { slopeBps, bps, creditedBps } = estimate([single], parameters, [])
    expect(slopeBps).toBeUndefined()
    expect(bps).toBe(creditedBps)
  })

  it('is capped by what was offered', () => {
    expect(estimate([team(500e6, 0)], parameters, []).bps).toBe(120e6)
  })
})

describe('published rule', () => {
  const parameters = { claimBps: 100e6, faulty: 1, roundTripMicros: [10_000, 10_000, 10_000] }
  const ack = (bits: number, own: (number | null)[]) => ({
    bits: [bits / 3, bits / 3, bits / 3],
    ownSeconds: own,
  })

  it('takes the first ack with enough bits, the median time less the round trip, and (n - 2f) / (n - f)', () => {
    const measured = {
      memberCount: 3,
      acks: [ack(9e6, [0.1, 0.1, 0.1]), ack(12e6, [0.13, 0.13, 9]), ack(13e6, [1, 1, 1])],
    }
    const { estimateBps, guaranteedBps } = publishedRule(measured, parameters)
    expect(estimateBps).toBeCloseTo(100e6, 0)
    expect(guaranteedBps).toBeCloseTo(50e6, 0)
  })

  it('takes the last where none has enough, and nothing from nothing', () => {
    const measured = { memberCount: 3, acks: [ack(5e6, [0.11, 0.11, 0.11])] }
    expect(publishedRule(measured, parameters).estimateBps).toBeCloseTo(50e6, 0)
    const nothing = { estimateBps: 0, guaranteedBps: 0 }
    expect(publishedRule(undefined, parameters)).toEqual(nothing)
    expect(publishedRule({ memberCount: 3, acks: [] }, parameters)).toEqual(nothing)
    expect(publishedRule({ memberCount: 3, acks: [ack(5e6, [null, null, null])] }, parameters)).toEqual(
      nothing,
    )
    expect(publishedRule({ memberCount: 3, acks: [ack(5e6, [0.005, 0.005, 0.005])] }, parameters)).toEqual(
      nothing,
    )
  })
})
