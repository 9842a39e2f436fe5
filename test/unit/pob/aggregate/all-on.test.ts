/** All-on: one team of everybody, any f of it corrupt. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allOnValue } from '../../../../src/pob/aggregate/all-on.js'

const parameters = { tauSeconds: 0.1, capBps: 1e9 }
const TIME = 0.1
const SHARE = 1e6
const members = (own: readonly (number | null)[], bits = own.map(() => SHARE)) => ({
  memberCount: own.length,
  acks: [{ bits, ownSeconds: own }],
})
const ten = (...odd: (number | null)[]) => [...odd, ...Array<number>(10 - odd.length).fill(TIME)]

describe('all-on', () => {
  it('leaves out the f largest shares', () => {
    expect(allOnValue(members(ten()), 2, parameters)).toBeCloseTo((8 * SHARE) / TIME, 3)
    const uneven = members(
      ten(),
      ten().map((_, i) => (i + 1) * SHARE),
    )
    expect(allOnValue(uneven, 2, parameters)).toBeCloseTo((36 * SHARE) / TIME, 3)
  })

  it.each([
    ['silent', null],
    ['waiting for ever', 1e6],
  ])('a member that is %s costs its share and no more', (_, own) => {
    expect(allOnValue(members(ten(own)), 2, parameters)).toBeCloseTo((7 * SHARE) / TIME, 3)
    expect(allOnValue(members(ten(own, own)), 2, parameters)).toBeCloseTo((6 * SHARE) / TIME, 3)
  })

  it('is nothing with no more than f members, without acks, or below 0.8 tau', () => {
    expect(allOnValue(members([TIME, TIME]), 2, parameters)).toBe(0)
    expect(allOnValue({ memberCount: 3, acks: [] }, 1, parameters)).toBe(0)
    expect(allOnValue(members([0.0799, 0.0799, 0.0799]), 1, parameters)).toBe(0)
    expect(allOnValue(members(ten()), 0, { ...parameters, capBps: 5 })).toBe(5)
  })

  /** What the honest members alone sent over their own longest time is all that could have crossed: nobody lifts it. */
  it('stays at or below theta whatever f members say', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(
          fc.record({ bits: fc.nat(1e9), own: fc.option(fc.double({ min: 0, max: 1, noNaN: true })) }),
          {
            minLength: 1,
            maxLength: 4,
          },
        ),
        fc.array(fc.double({ min: 0.01, max: 0.5, noNaN: true }), { minLength: 8, maxLength: 8 }),
        (honest, corrupt, times) => {
          const theta = 50e6
          const own = times.slice(0, honest)
          // As much as the link carries until the first of the honest members has its ack.
          const bits = own.map(() => (theta * Math.min(...own)) / honest)
          const team = members(
            [...own, ...corrupt.map((each) => each.own)],
            [...bits, ...corrupt.map((each) => each.bits)],
          )
          expect(allOnValue(team, corrupt.length, parameters)).toBeLessThanOrEqual(theta * (1 + 1e-9))
          if (corrupt.some(({ bits: lie, own: at }) => lie > 1e8 && at !== null && at >= 0.08 && at < 0.5))
            expect(allOnValue(team, 0, parameters)).toBeGreaterThan(theta)
        },
      ),
    )
  })
})
