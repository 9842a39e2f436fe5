/** How drawn jobs of many payees share the room that there is, and take turns. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { DrawnQueues } from '../../../../src/inference/audit/drawn-queues.js'

const [a, b, c] = [51, 52, 53].map((n) => Identity.fromSecret(new Uint8Array(32).fill(n)).address)
if (a === undefined || b === undefined || c === undefined) throw new Error('no keys')
const MOST = 100

describe('the room for drawn jobs', () => {
  it('is never all taken by those who came first', () => {
    const queues = new DrawnQueues<string>(MOST)
    const fill = (payee: typeof a): number => {
      let added = 0
      while (added < 2 * MOST && queues.add(payee, `${payee}/${added}`)) added++
      return added
    }
    expect([fill(a), fill(b), fill(c)]).toEqual([50, 25, 13])
    expect(queues.size).toBe(88)
    // What is done makes room, for the others as well.
    queues.delete(new Set([...queues.all()].filter((job) => job.startsWith(a))))
    expect(queues.size).toBe(38)
    expect(fill(b)).toBeGreaterThan(0)
  })

  it('goes round from payee to payee, beginning with the one that waited longest', () => {
    const queues = new DrawnQueues<string>(MOST)
    for (const job of ['a1', 'a2', 'a3']) queues.add(a, job)
    for (const job of ['b1', 'b2']) queues.add(b, job)
    queues.add(c, 'c1')
    expect([...queues.turns()]).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
    // A round that was cut short is gone on with.
    let left: string | undefined
    for (const job of queues.turns()) {
      if (left !== undefined) {
        left = job
        break
      }
      left = job
    }
    expect([...queues.turns()][0]).toBe(left)
  })

  it('holds what was taken in, and no more than there may be', () => {
    const step = fc.record({ payee: fc.constantFrom(a, b, c), isAdded: fc.boolean(), which: fc.nat() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const queues = new DrawnQueues<object>(20)
        const held = new Set<object>()
        for (const { payee, isAdded, which } of steps) {
          const job = {}
          if (isAdded && queues.add(payee, job)) held.add(job)
          const [one] = isAdded ? [] : [...held].slice(which % Math.max(1, held.size))
          if (one === undefined) continue
          held.delete(one)
          queues.delete(new Set([one]))
        }
        expect(new Set(queues.all())).toEqual(held)
        expect(queues.size).toBe(held.size)
        expect([...queues.turns()]).toHaveLength(held.size)
        expect(held.size).toBeLessThanOrEqual(20)
      }),
    )
  })
})
