import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteBudget } from '../../../src/p2p/byte-budget.js'
import { DeadlineError, orAbort, withDeadline } from '../../../src/p2p/deadline.js'
import { protocolId } from '../../../src/p2p/protocols.js'
import { RateLimiter } from '../../../src/p2p/rate-limit.js'
import { PeerScores } from '../../../src/p2p/scores.js'

const clock = () => {
  let now = 1000
  return {
    now: () => now,
    wait: (ms: number): void => {
      now += ms
    },
  }
}

describe('GCRA rate limits', () => {
  it('allow the burst at once, then the sustained rate', () => {
    const { now, wait } = clock()
    const limiter = new RateLimiter({ perSecond: 2, burst: 3 }, now)
    const passed = () => limiter.take('a').allowed
    expect([passed(), passed(), passed(), passed()]).toEqual([true, true, true, false])
    expect(limiter.take('a').retryAfterMs).toBe(500)
    wait(499)
    expect(passed()).toBe(false)
    wait(1)
    expect([passed(), passed()]).toEqual([true, false])
    wait(10_000)
    expect([passed(), passed(), passed(), passed()]).toEqual([true, true, true, false])
  })

  it('charge refused requests nothing, and keys apart', () => {
    const { now, wait } = clock()
    const limiter = new RateLimiter({ perSecond: 1, burst: 1 }, now)
    expect(limiter.take('a').allowed).toBe(true)
    for (let i = 0; i < 100; i++) expect(limiter.take('a').allowed).toBe(false)
    expect(limiter.take('b').allowed).toBe(true)
    wait(1000)
    expect(limiter.take('a').allowed).toBe(true)
  })

  it('never let more through than burst + rate x time, and always let the promised retry through', () => {
    fc.assert(
      fc.property(
        fc.record({ perSecond: fc.integer({ min: 1, max: 50 }), burst: fc.integer({ min: 1, max: 20 }) }),
        fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 }),
        (limit, gaps) => {
          const { now, wait } = clock()
          const limiter = new RateLimiter(limit, now)
          const start = now()
          let passed = 0
          for (const gap of gaps) {
            wait(gap)
            const { allowed, retryAfterMs } = limiter.take('k')
            if (allowed) passed++
            else {
              wait(retryAfterMs)
              expect(limiter.take('k').allowed).toBe(true)
              passed++
            }
          }
          expect(passed).toBeLessThanOrEqual(limit.burst + (limit.perSecond * (now() - start)) / 1000 + 1e-6)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('are bounded in keys', () => {
    const { now, wait } = clock()
    const limiter = new RateLimiter({ perSecond: 1, burst: 1 }, now, 10)
    for (let i = 0; i < 1000; i++) limiter.take(`k${i}`)
    expect(limiter.size).toBeLessThanOrEqual(10)
    wait(5000)
    limiter.take('fresh')
    expect(limiter.size).toBeLessThanOrEqual(10)
    expect(() => new RateLimiter({ perSecond: 0, burst: 1 }, now)).toThrow(RangeError)
  })
})

describe('peer scores', () => {
  it('ban for many small or few grave misdeeds, and forgive with time', () => {
    const { now, wait } = clock()
    const scores = new PeerScores(now, { halfLifeMs: 1000, banMs: 5000 })
    expect(scores.report('grave', 'fault')).toBe(true)
    for (let i = 0; i < 2; i++) expect(scores.report('oversize', 'oversize')).toBe(false)
    expect(scores.report('oversize', 'oversize')).toBe(true)
    for (let i = 0; i < 49; i++) expect(scores.report('slow', 'timeout')).toBe(false)
    expect(scores.isBanned('slow')).toBe(false)
    expect([scores.isBanned('grave'), scores.bannedUntil('grave')]).toEqual([true, now() + 5000])
    wait(1000)
    expect(scores.points('slow')).toBeCloseTo(49)
    wait(4000)
    expect(scores.isBanned('grave')).toBe(false)
    expect(scores.bannedUntil('grave')).toBeUndefined()
    expect(scores.points('nobody')).toBe(0)
  })

  it('tell a new ban once', () => {
    const { now } = clock()
    const scores = new PeerScores(now)
    expect(scores.report('x', 'fault')).toBe(true)
    expect(scores.report('x', 'fault')).toBe(false)
  })

  it('keep bans across a restart', () => {
    const { now, wait } = clock()
    const scores = new PeerScores(now)
    scores.restoreBan('x', now() + 100)
    expect(scores.isBanned('x')).toBe(true)
    wait(101)
    expect(scores.isBanned('x')).toBe(false)
  })

  it('take up no ban that is over, and none beyond what they would give themselves', () => {
    const { now } = clock()
    const scores = new PeerScores(now, { banMs: 5000 })
    scores.restoreBan('over', now())
    scores.restoreBan('clock set back', now() + 9_000_000)
    expect(scores.size).toBe(1)
    expect(scores.bannedUntil('clock set back')).toBe(now() + 5000)
  })

  it('are bounded, and a flood of names does not free a banned peer', () => {
    const { now } = clock()
    const scores = new PeerScores(now, { maxPeers: 50 })
    scores.report('banned', 'fault')
    for (let i = 0; i < 2000; i++) scores.report(`p${i}`, 'timeout')
    expect(scores.size).toBeLessThanOrEqual(50)
    expect(scores.isBanned('banned')).toBe(true)
  })
})

describe('the byte budget', () => {
  it('bounds each peer and all together, and gets back what was taken once', () => {
    const budget = new ByteBudget({ total: 100, perPeer: 60 })
    const first = budget.take('a', 40)
    expect(budget.take('a', 21)).toBeUndefined()
    const second = budget.take('a', 20)
    expect(budget.take('b', 41)).toBeUndefined()
    expect(budget.take('b', 40)).toBeDefined()
    expect(budget.total).toBe(100)
    first?.()
    first?.()
    second?.()
    expect(budget.total).toBe(40)
    expect(budget.take('a', 60)).toBeDefined()
  })
})

describe('deadlines', () => {
  it('abort the work, leave no listener on their parents, and pass results through', async () => {
    const parent = new AbortController()
    let added = 0
    const { signal } = parent
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      added++
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      added--
      remove(...args)
    }
    expect(await withDeadline(1000, [signal, undefined], async () => 5)).toBe(5)
    const never = (given: AbortSignal): Promise<never> => orAbort(given, new Promise<never>(() => {}))
    await expect(withDeadline(20, [signal], never)).rejects.toThrow(DeadlineError)
    expect(added).toBe(0)
    const aborted = withDeadline(1000, [signal], never)
    parent.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    await expect(withDeadline(1000, [signal], async () => 5)).rejects.toThrow('enough')
  })
})

describe('protocol ids', () => {
  it('are built from plain names only', () => {
    expect(protocolId('plan')).toBe('/plumbline/plan/1')
    for (const bad of ['', 'a/b', 'A', 'x'.repeat(60), '../x']) expect(() => protocolId(bad)).toThrow()
  })
})
