/** Who may hold the prover, and who makes room. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FORGIVE_MS, type Hold, Holds, MAX_UNUSED, OPENED_GRACE_MS } from '../../../src/roles/prover/holds.js'

const GRACE_MS = 13_000
const holdOf = (from: string, sinceMs: number, change: Partial<Hold> = {}): Hold => ({
  from,
  sinceMs,
  graceMs: GRACE_MS,
  hasRun: false,
  ...change,
})

/** Accepts so often for nothing. */
function abandon(holds: Holds, from: string, times: number, nowMs = 0) {
  for (let i = 0; i < times; i++) holds.accepted(from, nowMs)
}

describe('the place at a prover', () => {
  it('is given up to another prefix after the grace, not before, and not to the same one', () => {
    const holds = new Holds()
    holds.accepted('a', 0)
    const hold = holdOf('a', 0)
    expect(holds.yieldsInMs(hold, 'b', 5_000)).toBe(8_000)
    expect(holds.yieldsInMs(hold, 'b', GRACE_MS)).toBe(0)
    expect(holds.yieldsInMs(hold, 'a', GRACE_MS)).toBeUndefined()
  })

  it('is kept longer with paths, and for good once a slot ran', () => {
    const holds = new Holds()
    holds.accepted('a', 0)
    const opened = holdOf('a', 0, { openedMs: 9_000 })
    expect(holds.yieldsInMs(opened, 'b', GRACE_MS)).toBe(9_000 + OPENED_GRACE_MS - GRACE_MS)
    expect(holds.yieldsInMs(opened, 'b', 9_000 + OPENED_GRACE_MS)).toBe(0)
    expect(holds.yieldsInMs({ ...opened, hasRun: true }, 'b', 1e9)).toBeUndefined()
  })

  it('is given up however long it was kept open without beginning', () => {
    const holds = new Holds()
    holds.accepted('a', 0)
    const hold = holdOf('a', 0)
    expect(holds.yieldsInMs(hold, 'b', FORGIVE_MS)).toBe(0)
    expect(holds.yieldsInMs(hold, 'b', 10 * FORGIVE_MS)).toBe(0)
  })

  it('goes to who left fewer unused, or left one longer ago', () => {
    const holds = new Holds()
    abandon(holds, 'often', 2)
    abandon(holds, 'once', 1)
    holds.accepted('holder', 20_000)
    const hold = holdOf('holder', 20_000)
    const nowMs = 20_000 + GRACE_MS
    expect(['often', 'once', 'never'].map((from) => holds.yieldsInMs(hold, from, nowMs))).toEqual([
      undefined,
      0,
      0,
    ])
  })

  it('is refused to a prefix that left too many unused, until one is forgotten', () => {
    const holds = new Holds()
    abandon(holds, 'a', MAX_UNUSED - 1)
    expect(holds.waitMs('a', 0)).toBe(0)
    abandon(holds, 'a', 1)
    expect([holds.waitMs('a', 0), holds.waitMs('b', 0)]).toEqual([FORGIVE_MS, 0])
    expect(holds.waitMs('a', FORGIVE_MS)).toBe(0)
    // A clock that was set back.
    expect(holds.waitMs('a', -1e12)).toBe(FORGIVE_MS)
  })

  it('costs nothing where the challenge ran', () => {
    const holds = new Holds()
    for (let i = 0; i < 100; i++) {
      holds.accepted('busy', i)
      holds.ran('busy', i)
    }
    expect([holds.waitMs('busy', 100), holds.size]).toEqual([0, 0])
  })

  it('is remembered of a bounded number of prefixes', () => {
    const holds = new Holds()
    for (let i = 0; i < 5_000; i++) holds.accepted(`${i}`, i)
    expect(holds.size).toBe(1024)
  })
})

/** Everybody asks as they like; the prover as the rule has it. */
const asking = fc.array(
  fc.record({
    from: fc.nat(5),
    afterMs: fc.constantFrom(0, 100, 5_000, GRACE_MS, 45_000, 120_000),
    next: fc.constantFrom('leave', 'leave', 'open', 'run'),
  }),
  { maxLength: 120 },
)

describe('at any prover', () => {
  it('no prefix is accepted for nothing more often than its level and the time allow', () => {
    fc.assert(
      fc.property(asking, (steps) => {
        const holds = new Holds()
        let nowMs = 0
        const unused = new Map<number, number>()
        for (const { from, afterMs, next } of steps) {
          nowMs += afterMs
          if (holds.waitMs(`${from}`, nowMs) > 0) continue
          holds.accepted(`${from}`, nowMs)
          if (next === 'run') holds.ran(`${from}`, nowMs)
          else unused.set(from, (unused.get(from) ?? 0) + 1)
        }
        for (const count of unused.values())
          expect(count).toBeLessThanOrEqual(MAX_UNUSED + nowMs / FORGIVE_MS)
      }),
    )
  })

  it('who never left one unused gets the place within the grace, whatever others did', () => {
    fc.assert(
      fc.property(asking, fc.nat(2 * FORGIVE_MS), (steps, laterMs) => {
        const holds = new Holds()
        let nowMs = 0
        let hold: Hold | undefined
        for (const { from, afterMs, next } of steps) {
          nowMs += afterMs
          const name = `${from}`
          const isFree = hold === undefined || holds.yieldsInMs(hold, name, nowMs) === 0
          if (!isFree || holds.waitMs(name, nowMs) > 0) continue
          holds.accepted(name, nowMs)
          if (next === 'run') {
            holds.ran(name, nowMs)
            // It ends some time.
            hold = undefined
          } else hold = holdOf(name, nowMs, next === 'open' ? { openedMs: nowMs + 3_000 } : {})
        }
        expect(holds.waitMs('honest', nowMs)).toBe(0)
        if (hold === undefined) return
        const askedMs = nowMs + laterMs
        const inMs = holds.yieldsInMs(hold, 'honest', askedMs)
        const graceMs = hold.openedMs === undefined ? GRACE_MS : 3_000 + OPENED_GRACE_MS
        expect(inMs).toBe(Math.max(0, hold.sinceMs + graceMs - askedMs))
      }),
    )
  })

  it('nobody who is due to it takes it back and forth: of two, one at most displaces the other at a time', () => {
    fc.assert(
      fc.property(fc.nat(7), fc.nat(7), fc.nat(200_000), (a, b, nowMs) => {
        const holds = new Holds()
        abandon(holds, 'a', a)
        abandon(holds, 'b', b)
        const due = (from: string, by: string) =>
          holds.yieldsInMs(holdOf(from, nowMs), by, nowMs) !== undefined
        expect(due('a', 'b') && due('b', 'a')).toBe(false)
      }),
    )
  })
})

describe('a challenge in which a slot ran', () => {
  it('makes room for nobody, however long ago and however full its prefix is', () => {
    const holds = new Holds()
    holds.accepted('a', 0)
    const hold = { from: 'a', sinceMs: 0, graceMs: 10_000, openedMs: 1000, hasRun: false }
    expect(holds.yieldsInMs(hold, 'b', 100_000)).toBe(0)
    expect(holds.yieldsInMs({ ...hold, hasRun: true }, 'b', 100_000)).toBeUndefined()
  })
})
