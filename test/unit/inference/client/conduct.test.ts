/** How long a provider that failed stays behind the others, and how long one may take. */
import { describe, expect, it } from 'vitest'
import { Conduct } from '../../../../src/inference/client/conduct.js'
import { workOf } from '../../../../src/inference/units.js'

const MINUTE = 60_000

function open() {
  const clock = { ms: 1000 }
  const conduct = new Conduct({ now: () => clock.ms })
  const fail = (peerId = 'a') => conduct.failed(peerId, conduct.asked(peerId))
  return { clock, conduct, fail }
}

describe('a provider that failed', () => {
  it('goes behind the others for a while, longer each time and never for more than half an hour', () => {
    const { clock, conduct, fail } = open()
    const rests: number[] = []
    for (let i = 0; i < 12; i++) {
      fail()
      clock.ms++
      const start = clock.ms
      while (conduct.arrears('a') > 0) clock.ms += 1000
      rests.push(Math.round((clock.ms - start) / 1000))
    }
    expect(rests.slice(0, 4)).toEqual([30, 60, 120, 240])
    expect(Math.max(...rests)).toBe(1800)
    expect(conduct.arrears('b')).toBe(0)
  })

  it('is forgiven with the first job that it does', () => {
    const { conduct, fail } = open()
    fail()
    fail()
    conduct.did('a', conduct.asked('a'), 1)
    expect(conduct.arrears('a')).toBe(0)
    fail()
    expect(conduct.arrears('a')).toBe(1)
  })

  it('is blamed once for jobs that were under way together', () => {
    const { clock, conduct } = open()
    const asked = Array.from({ length: 20 }, () => conduct.asked('a'))
    clock.ms += 500
    for (const at of asked) conduct.failed('a', at)
    expect(conduct.arrears('a')).toBe(1)
  })

  it('is tried by one job alone when its rest is over', () => {
    const { clock, conduct, fail } = open()
    fail()
    clock.ms += 31_000
    expect(conduct.arrears('a')).toBe(0)
    conduct.asked('a')
    expect(conduct.arrears('a')).toBe(1)
  })

  it('is one of a bounded number', () => {
    const { conduct, fail } = open()
    for (let i = 0; i < 1001; i++) fail(`p${i}`)
    expect([conduct.arrears('p0'), conduct.arrears('p1'), conduct.arrears('p1000')]).toEqual([0, 1, 1])
  })
})

describe('how long one may take', () => {
  it('follows the work, the way, and what it took before; two who hang leave time for a third', () => {
    const { clock, conduct } = open()
    const [fresh, longer, farther] = [
      conduct.patienceMs('a', 10, 5),
      conduct.patienceMs('a', 60, 5),
      conduct.patienceMs('a', 10, 500),
    ]
    expect(fresh).toBeGreaterThanOrEqual(50_000)
    expect(longer).toBeGreaterThan(fresh)
    expect(farther).toBeGreaterThan(fresh)
    const at = conduct.asked('a')
    clock.ms += 20_000
    conduct.did('a', at, 10)
    expect(conduct.patienceMs('a', 10, 5)).toBeGreaterThan(fresh)
    expect(2 * conduct.patienceMs('a', 1e6, 1e6)).toBeLessThanOrEqual(5 * MINUTE)
  })

  it('is a little longer by the word of who was never bought from, and by its deeds alone afterwards', () => {
    const { clock, conduct } = open()
    const hint = (runMsPerSecond: number, underWay = 0) => ({ runMsPerSecond, underWay })
    const guessed = conduct.patienceMs('a', 10, 0)
    expect(conduct.patienceMs('a', 10, 0, hint(1))).toBe(guessed)
    expect(conduct.patienceMs('a', 10, 0, hint(3000))).toBe(guessed + 20_000)
    expect(conduct.patienceMs('a', 10, 0, hint(1_000_000, 1_000_000))).toBe(guessed + 30_000)
    expect(conduct.expectedMs('a', 10, hint(500, 2))).toBe(15_000)
    const at = conduct.asked('a')
    clock.ms += 2000
    conduct.did('a', at, 10)
    expect(conduct.expectedMs('a', 10, hint(500, 2))).toBe(2000)
    const known = conduct.patienceMs('a', 10, 0)
    expect(conduct.patienceMs('a', 10, 0, hint(3000))).toBe(known)
  })

  it('counts work in seconds of speech', () => {
    expect(workOf({ kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(48_000) })).toBe(3)
    expect(workOf({ kind: 'text', text: 'x'.repeat(150) })).toBe(10)
  })
})
