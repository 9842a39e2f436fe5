/** How drawn jobs of many payees, and of many channels of one, share the room that there is, and take turns. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { DrawnQueues, type Line } from '../../../../src/inference/audit/drawn-queues.js'

const [a, b, c] = [51, 52, 53].map((n) => Identity.fromSecret(new Uint8Array(32).fill(n)).address)
if (a === undefined || b === undefined || c === undefined) throw new Error('no keys')
const MOST = 100
const channel = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const line = (payee: typeof a, n = 1): Line => ({ payee, channelId: channel(n) })
const all = { isOver: () => false, isDue: () => true }

describe('the room for drawn jobs', () => {
  const filler =
    (queues: DrawnQueues<string>) =>
    (of: Line): number => {
      let added = 0
      while (added < 2 * MOST && queues.add(of, `${of.payee}/${of.channelId[0]}/${added}`)) added++
      return added
    }

  it('is never all taken by those who came first', () => {
    const queues = new DrawnQueues<string>(MOST)
    const fill = filler(queues)
    const channels = Array.from({ length: 40 }, (_, n) => n + 1)
    const ofAll = (payee: typeof a): number =>
      channels.map((n) => fill(line(payee, n))).reduce((sum, count) => sum + count, 0)
    expect([ofAll(a), ofAll(b), ofAll(c)]).toEqual([50, 25, 13])
    expect(queues.size).toBe(88)
    // What is done makes room, for the others as well.
    queues.delete(new Set([...queues.all()].filter((job) => job.startsWith(a))))
    expect(queues.size).toBe(38)
    expect(fill(line(b))).toBeGreaterThan(0)
  })

  it('is left to the other channels of a payee, too', () => {
    const fill = filler(new DrawnQueues<string>(MOST))
    expect([1, 2, 3, 4].map((n) => fill(line(a, n)))).toEqual([25, 13, 6, 3])
    expect([1, 2].map((n) => fill(line(b, n)))).toEqual([14, 7])
  })
})

describe('turns', () => {
  it('go round from payee to payee, beginning with the one that waited longest', () => {
    const queues = new DrawnQueues<string>(MOST)
    for (const job of ['a1', 'a2', 'a3']) queues.add(line(a), job)
    for (const job of ['b1', 'b2']) queues.add(line(b), job)
    queues.add(line(c), 'c1')
    expect([...queues.turns(all)]).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
    // A round that was cut short is gone on with.
    let left: string | undefined
    for (const job of queues.turns(all)) {
      if (left !== undefined) {
        left = job
        break
      }
      left = job
    }
    expect([...queues.turns(all)][0]).toBe(left)
  })

  it('go round among the channels of each, so that its own jobs do not stand before those of its clients', () => {
    const queues = new DrawnQueues<string>(1000)
    for (let n = 0; n < 100; n++) queues.add(line(a, 1), `own ${n}`)
    for (const job of ['x1', 'x2']) queues.add(line(a, 2), job)
    queues.add(line(b), 'b1')
    expect([...queues.turns(all)].slice(0, 5)).toEqual(['own 0', 'b1', 'x1', 'own 1', 'x2'])
    // As many as there is time for in each round: none of them is asked for before the others had their turn.
    const asked: string[] = []
    for (let round = 0; round < 4; round++) {
      let had = 0
      for (const job of queues.turns({ ...all, isOver: (payee) => payee === a && had > 0 })) {
        asked.push(job)
        queues.delete(new Set([job]))
        if (job !== 'b1') had++
      }
    }
    expect(asked.filter((job) => job !== 'b1')).toEqual(['x1', 'own 0', 'x2', 'own 1'])
  })

  it('are not taken by what is not due, nor by who had enough', () => {
    const queues = new DrawnQueues<string>(MOST)
    for (const job of ['a1', 'a2']) queues.add(line(a), job)
    for (const job of ['b1', 'b2']) queues.add(line(b), job)
    expect([...queues.turns({ ...all, isDue: (job) => job !== 'a1' })]).toEqual(['a2', 'b1', 'b2'])
    expect([...queues.turns({ ...all, isOver: (payee) => payee === b })]).toEqual(['a1', 'a2'])
    // It has waited longer than the other.
    expect([...queues.turns(all)]).toEqual(['b1', 'a1', 'b2', 'a2'])
  })
})

it('queues hold what was taken in, and no more than there may be', () => {
  const step = fc.record({
    payee: fc.constantFrom(a, b, c),
    channel: fc.integer({ min: 1, max: 3 }),
    isAdded: fc.boolean(),
    which: fc.nat(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const queues = new DrawnQueues<object>(20)
      const held = new Set<object>()
      for (const { payee, channel: n, isAdded, which } of steps) {
        const job = {}
        if (isAdded && queues.add(line(payee, n), job)) held.add(job)
        const [one] = isAdded ? [] : [...held].slice(which % Math.max(1, held.size))
        if (one === undefined) continue
        held.delete(one)
        queues.delete(new Set([one]))
      }
      expect(new Set(queues.all())).toEqual(held)
      expect(queues.size).toBe(held.size)
      expect([...queues.turns(all)]).toHaveLength(held.size)
      expect(held.size).toBeLessThanOrEqual(20)
    }),
  )
})
