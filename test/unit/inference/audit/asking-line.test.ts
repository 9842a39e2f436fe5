/** A line before an auditor: who is asked about first, how many at once, and what becomes of what fails. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { UserError } from '../../../../src/errors.js'
import { type Asked, AskingLine } from '../../../../src/inference/audit/asking-line.js'
import { RateLimiter } from '../../../../src/p2p/rate-limit.js'
import { PeerScores } from '../../../../src/p2p/scores.js'
import { bytes32 } from '../payment/support.js'

const named = (name: string) => ({ peerId: name, publicKey: bytes32(1) })
const many = (name: string, count: number) => Array.from({ length: count }, (_, i) => named(`${name}${i}`))

/** @param answer what the auditor does, by the number of the request from 1 */
function line(answer: (asked: Asked, request: number) => Promise<Uint8Array | undefined>, retryMs = 5) {
  const asked: string[] = []
  const failures: unknown[] = []
  let [underWay, most] = [0, 0]
  const ask = async (each: Asked): Promise<Uint8Array | undefined> => {
    asked.push(each.peerId)
    underWay++
    most = Math.max(most, underWay)
    try {
      return await answer(each, asked.length)
    } finally {
      underWay--
    }
  }
  const onFailure = (error: unknown): void => void failures.push(error)
  return { line: new AskingLine({ retryMs }, { ask, onFailure }), asked, failures, most: () => most }
}

const told = async (): Promise<undefined> => new Promise((resolve) => setImmediate(() => resolve(undefined)))
const never = (): Promise<undefined> => new Promise(() => {})
const broken = (code: 'UNREACHABLE' | 'RATE_LIMITED' | 'VERIFICATION_FAILED') => {
  throw new UserError('no', { code })
}

describe('a line before an auditor', () => {
  it('has eight requests under way at most, in the order of who asks, and asks once about each', async () => {
    const { line: waiting, asked, most } = line(told)
    const all = many('p', 30)
    await waiting.ask(all)
    expect(most()).toBe(8)
    expect(asked).toEqual(all.map(({ peerId }) => peerId))
    await waiting.ask(all)
    expect(asked).toHaveLength(30)
  })

  it('asks first about those that a job waits for, whatever waits already', async () => {
    const { line: waiting, asked } = line(told)
    waiting.askLater(many('later', 14))
    const done = waiting.ask([named('later12'), named('cheap'), named('dear')])
    expect(asked).toHaveLength(8)
    await done
    expect(asked.slice(8, 11)).toEqual(['later12', 'cheap', 'dear'])
    await expect.poll(() => asked.length).toBe(16)
    expect(new Set(asked).size).toBe(16)
  })

  it('reads the first pages of all before the next of any', async () => {
    const { line: waiting, asked } = line(async ({ peerId, pages }) => {
      await told()
      return peerId === 'long' && pages < 2 ? bytes32(pages) : undefined
    })
    await waiting.ask([named('long'), ...many('p', 12)])
    expect(asked).toEqual(['long', ...many('p', 12).map(({ peerId }) => peerId), 'long', 'long'])
  })

  it('takes no failure for an answer: it asks again', async () => {
    const {
      line: waiting,
      asked,
      failures,
    } = line(async (_, request) => (request <= 2 ? broken('UNREACHABLE') : told()))
    await waiting.ask([named('cheat')])
    expect(asked).toEqual(['cheat', 'cheat', 'cheat'])
    expect(failures).toHaveLength(2)
    await waiting.ask([named('cheat')])
    expect(asked).toHaveLength(3)
  })

  it('waits out an auditor that has too much to do, however often it says so', async () => {
    const { line: waiting, asked } = line(
      async (_, request) => (request <= 6 ? broken('RATE_LIMITED') : told()),
      1,
    )
    void waiting.ask([named('cheat'), named('other')])
    await expect.poll(() => asked.slice(6), { timeout: 20_000 }).toEqual(['cheat', 'other'])
  })

  it('keeps nobody waiting for an auditor that is away, and asks it again later', async () => {
    let isAway = true
    const { line: waiting, asked } = line(async () => (isAway ? broken('UNREACHABLE') : told()), 100)
    await waiting.ask(many('p', 4))
    const before = asked.length
    // At once: the auditor rests.
    await waiting.ask([named('q')])
    expect(asked).toHaveLength(before)
    isAway = false
    await expect.poll(() => new Set(asked.slice(before)).size, { timeout: 5000 }).toBe(5)
  })

  it('leaves alone for a while what is garbage, and goes on with the others', async () => {
    const { line: waiting, asked } = line(async ({ peerId }) =>
      peerId === 'p0' ? broken('VERIFICATION_FAILED') : told(),
    )
    await waiting.ask(many('p', 3))
    await waiting.ask(many('p', 3))
    expect(asked).toEqual(['p0', 'p1', 'p2'])
  })

  it('holds a thousand at most: the last go, and nobody waits for them', async () => {
    const { line: waiting, asked } = line(never)
    waiting.askLater(many('later', 5000))
    // Without the eight that are under way.
    expect(waiting.length).toBe(992)
    void waiting.ask(many('p', 1000))
    expect(waiting.length).toBe(1000)
    expect(asked).toHaveLength(8)
    // Those of before made room, and the dearest of too many do.
    let isOver = false
    const over = waiting.ask(many('q', 999)).then(() => {
      isOver = true
    })
    void waiting.ask([named('r'), named('s')])
    expect(waiting.length).toBe(1000)
    await told()
    expect(isOver).toBe(false)
    void over
  })

  it('lets nobody wait for one that was let go', async () => {
    const { line: waiting } = line(never)
    const last = waiting.ask([named('first'), ...many('x', 7), named('last')])
    void last
    const dropped = waiting.ask([named('dropped')])
    void waiting.ask(many('p', 1000))
    await dropped
    expect(waiting.length).toBe(1000)
  })
})

describe('a line before an auditor, over a long time', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const pause = (ms: number): Promise<undefined> =>
    new Promise((resolve) => setTimeout(() => resolve(undefined), ms))
  const pass = (minutes: number) => vi.advanceTimersByTimeAsync(minutes * 60_000)

  it.each([
    ['of an earlier version', { perSecond: 2, burst: 40 }],
    ['that answers less than any version', { perSecond: 0.5, burst: 5 }],
  ])('is banned by no auditor %s, and hears all of it', async (_, rate) => {
    const limiter = new RateLimiter(rate, () => performance.now())
    const scores = new PeerScores(() => performance.now())
    let [isBanned, most] = [false, 0]
    const { line: waiting, asked } = line(async () => {
      await pause(50)
      if (limiter.take('').allowed) return undefined
      isBanned ||= scores.report('client', 'rateLimited')
      most = Math.max(most, scores.points('client'))
      return broken('RATE_LIMITED')
    }, 1000)
    // Four hours of newcomers, hundreds at once.
    for (let n = 0; n < 8; n++) {
      waiting.askLater(many(`p${n}-`, 300))
      await pass(30)
    }
    expect({ isBanned, most: most < 90 }).toEqual({ isBanned: false, most: true })
    if (rate.perSecond === 2) expect(waiting.length).toBe(0)
    expect(asked.length).toBeGreaterThan(400)
  })

  it('asks one at a time, and slowly, for minutes after it was too much, and then as before', async () => {
    let [underWay, most, count] = [0, 0, 0]
    const { line: waiting } = line(async () => {
      most = Math.max(most, ++underWay)
      await pause(100)
      underWay--
      return ++count === 1 ? broken('RATE_LIMITED') : undefined
    }, 1000)
    waiting.askLater(many('first', 8))
    await pass(1)
    expect(count).toBe(9)
    most = 0
    waiting.askLater(many('p', 300))
    await pass(2)
    expect(most).toBe(1)
    expect(count).toBeGreaterThan(9 + 170)
    expect(count).toBeLessThan(9 + 185)
    await pass(20)
    waiting.askLater(many('q', 30))
    await pass(0.1)
    expect(most).toBe(8)
    expect(count).toBe(9 + 330)
  })

  it('delays a few jobs at most by an auditor that hangs, and waits for it again when it is back', async () => {
    let isHanging = true
    const { line: waiting } = line(async () => {
      await pause(isHanging ? 20_000 : 100)
      return isHanging ? broken('UNREACHABLE') : undefined
    }, 1000)
    let delayed = 0
    // A job each three seconds, and each has a candidate that is not known yet.
    for (let job = 0; job < 400; job++) {
      let isDone = false
      void waiting.ask([named(`p${job}`)]).then(() => {
        isDone = true
      })
      await vi.advanceTimersByTimeAsync(3000)
      if (!isDone) delayed++
    }
    // As long as it takes to fail three times.
    expect(delayed).toBeLessThan(30)
    // Nobody asks any more; once all has failed, one request is left that is tried again.
    await pass(3000)
    expect(waiting.length).toBeLessThanOrEqual(1)
    isHanging = false
    await pass(2)
    let isTold = false
    void waiting.ask([named('cheat')]).then(() => {
      isTold = true
    })
    await vi.advanceTimersByTimeAsync(50)
    expect(isTold).toBe(false)
    await vi.advanceTimersByTimeAsync(200)
    expect(isTold).toBe(true)
  })
})
