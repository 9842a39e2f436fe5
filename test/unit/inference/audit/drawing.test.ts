import fc from 'fast-check'
import { expect, it } from 'vitest'
import { QUICKNET } from '../../../../src/crypto/beacon.js'
import {
  drawnFrom,
  epochSeconds,
  isTimely,
  untilNextDrawMs,
} from '../../../../src/inference/audit/drawing.js'

const GENESIS = 1_700_000_007

it('who comes when the next draws are there finds drawn what could be, and comes once an epoch', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.double({ min: 0, max: 5000, noNaN: true }),
      (periodSeconds, later) => {
        const beacon = { ...QUICKNET, genesisTimeSeconds: GENESIS, periodSeconds }
        const epoch = epochSeconds(beacon)
        const now = GENESIS + 10 * epoch + later
        const wait = untilNextDrawMs(beacon, now)
        expect(wait).toBeGreaterThan(0)
        expect(wait).toBeLessThanOrEqual(epoch * 1000 + 1)
        const then = now + wait / 1000
        // The newest receipts that any round of this moment draws: those of the last epoch but one.
        const epochBefore = Math.floor(then / epoch) - 2
        expect(drawnFrom(beacon, epochBefore * epoch + epoch - 1)).toBeLessThan(then)
        expect(untilNextDrawMs(beacon, then + 0.001)).toBeGreaterThan(epoch * 1000 - 10)
      },
    ),
    { numRuns: 200 },
  )
})

const clocks = [fc.integer({ min: 1, max: 30 }), fc.double({ min: 0, max: 5000, noNaN: true })] as const

it('no date is paid for whose round is known, however late in an epoch it comes, to a clock a third of one behind', () => {
  const shares = [
    fc.double({ min: 0, max: 0.33, noNaN: true }),
    fc.double({ min: -1, max: 1, noNaN: true }),
  ] as const
  fc.assert(
    fc.property(...clocks, ...shares, (periodSeconds, later, behind, off) => {
      const beacon = { ...QUICKNET, genesisTimeSeconds: GENESIS, periodSeconds }
      const epoch = epochSeconds(beacon)
      const now = GENESIS + 10 * epoch + later
      const issuedAt = Math.round(now + off * epoch)
      // Dated back as far as that clock lets pass.
      for (const each of [issuedAt, Math.ceil(now - behind * epoch - epoch)])
        if (isTimely(beacon, each, now - behind * epoch)) expect(drawnFrom(beacon, each)).toBeGreaterThan(now)
    }),
    { numRuns: 2000 },
  )
})

it('clocks may differ by most of an epoch', () => {
  fc.assert(
    fc.property(...clocks, fc.double({ min: -0.6, max: 0.6, noNaN: true }), (periodSeconds, later, off) => {
      const beacon = { ...QUICKNET, genesisTimeSeconds: GENESIS, periodSeconds }
      const now = GENESIS + later
      const issuedAt = Math.floor(now + off * epochSeconds(beacon))
      // Dates are whole seconds: of an epoch of ten a second is much.
      fc.pre(now - issuedAt <= (2 / 3) * epochSeconds(beacon))
      expect(isTimely(beacon, issuedAt, now)).toBe(true)
    }),
  )
})
