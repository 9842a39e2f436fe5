import fc from 'fast-check'
import { expect, it } from 'vitest'
import { QUICKNET } from '../../../../src/crypto/beacon.js'
import { drawnFrom, epochSeconds, untilNextDrawMs } from '../../../../src/inference/audit/drawing.js'

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
