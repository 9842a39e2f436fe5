/** Whose train a challenger sends next: one at a time, one a prefix, fair, bounded. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SendingTurns, type TurnRequest } from '../../../src/roles/challenger/turns.js'

const LASTS_MS = 10_000
const asked = (id: string, change: Partial<TurnRequest> = {}): TurnRequest => ({
  id,
  prefix: id,
  group: id,
  rateKbps: 100,
  uplinkKbps: 250,
  lastsMs: LASTS_MS,
  ...change,
})

/** Asks in order, and notes who got a turn and who was refused. */
function asker(turns: SendingTurns) {
  const got: string[] = []
  const refused: string[] = []
  const ask = (request: TurnRequest) =>
    turns.take(request).then(
      () => void got.push(request.id),
      () => void refused.push(request.id),
    )
  return { got, refused, ask }
}
const settle = () => vi.advanceTimersByTimeAsync(0)

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const open = (maxConcurrentSlots = 1) => new SendingTurns({ maxConcurrentSlots, now: () => Date.now() })

describe('turns to send', () => {
  it('are one at a time; the next comes when the last has ended', async () => {
    const turns = open()
    const { got, ask } = asker(turns)
    for (const id of ['a', 'b', 'c']) void ask(asked(id))
    await settle()
    expect(got).toEqual(['a'])
    turns.end('a')
    await settle()
    expect(got).toEqual(['a', 'b'])
    turns.end('b')
    await settle()
    expect([got, turns.size]).toEqual([['a', 'b', 'c'], { turns: 1, waiting: 0 }])
  })

  it('end by themselves, for a coordinator that has gone', async () => {
    const turns = open()
    const { got, ask } = asker(turns)
    void ask(asked('gone', { lastsMs: 3_000 }))
    void ask(asked('b'))
    await vi.advanceTimersByTimeAsync(2_900)
    expect(got).toEqual(['gone'])
    await vi.advanceTimersByTimeAsync(200)
    expect(got).toEqual(['gone', 'b'])
  })

  it('are refused after four seconds, and at once where too many wait', async () => {
    const turns = open()
    const { got, refused, ask } = asker(turns)
    void ask(asked('a'))
    for (let i = 0; i < 6; i++) void ask(asked(`same ${i}`, { prefix: 'crowd' }))
    await settle()
    // Four of one prefix wait, however many come.
    expect([got, refused]).toEqual([['a'], ['same 4', 'same 5']])
    for (let i = 0; i < 100; i++) void ask(asked(`other ${i}`))
    await settle()
    expect(turns.size.waiting).toBe(64)
    await vi.advanceTimersByTimeAsync(4_000)
    expect([got, turns.size]).toEqual([['a'], { turns: 1, waiting: 0 }])
  })

  it('go round by prefix: who asks a lot delays itself', async () => {
    const turns = open()
    const { got, ask } = asker(turns)
    for (let i = 0; i < 4; i++) void ask(asked(`greedy ${i}`, { prefix: 'greedy' }))
    void ask(asked('modest'))
    void ask(asked('shy'))
    for (let i = 0; i < 6; i++) {
      await settle()
      turns.end(got.at(-1) ?? '')
    }
    await settle()
    expect(got).toEqual(['greedy 0', 'modest', 'shy', 'greedy 1', 'greedy 2', 'greedy 3'])
  })

  it('are one for a prefix, where there are several at once', async () => {
    const turns = open(2)
    const { got, ask } = asker(turns)
    for (const id of ['a', 'b']) void ask(asked(id, { prefix: 'shared' }))
    void ask(asked('c'))
    await settle()
    expect(got).toEqual(['a', 'c'])
    turns.end('c')
    await settle()
    expect(got).toEqual(['a', 'c'])
    turns.end('a')
    await settle()
    expect(got).toEqual(['a', 'c', 'b'])
  })

  it('are shared by the provers of one measurement, as far as the uplink goes, one line or not', async () => {
    const turns = open()
    const { got, ask } = asker(turns)
    const together = { group: 'joint', prefix: 'shared' }
    for (const id of ['a', 'b', 'c']) void ask(asked(id, together))
    void ask(asked('stranger'))
    await settle()
    // 3 x 100 of 250: the third waits.
    expect(got).toEqual(['a', 'b'])
    turns.end('a')
    turns.end('b')
    await settle()
    expect(got.length).toBe(3)
  })

  it('of one challenge follow one another without waiting for themselves', async () => {
    const turns = open()
    const { got, ask } = asker(turns)
    await ask(asked('a', { group: 'slot 0' }))
    await ask(asked('a', { group: 'slot 0' }))
    expect(got).toEqual(['a', 'a'])
    expect(turns.size).toEqual({ turns: 1, waiting: 0 })
  })

  it('of a challenge that ends while it waits are refused', async () => {
    const turns = open()
    const { got, refused, ask } = asker(turns)
    for (const id of ['a', 'b', 'c']) void ask(asked(id))
    await settle()
    turns.end('b')
    turns.close()
    await settle()
    expect([got, refused, turns.size]).toEqual([['a'], ['b', 'c'], { turns: 0, waiting: 0 }])
  })

  it('never overlap on a prefix nor above the limit, and let nobody starve, in whatever order they are asked for', async () => {
    const step = fc.record({
      prefix: fc.nat(5),
      end: fc.boolean(),
      waitMs: fc.constantFrom(0, 0, 100, 1_000),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { minLength: 1, maxLength: 40 }),
        async (limit, steps) => {
          const turns = open(limit)
          const held = new Map<string, string>()
          let answered = 0
          const asking = steps.map(async ({ prefix, end, waitMs }, i) => {
            await new Promise((resolve) => setTimeout(resolve, waitMs))
            const id = `${i}`
            try {
              await turns.take(asked(id, { prefix: `${prefix}`, lastsMs: 1_000_000 }))
              expect([...held.values()]).not.toContain(`${prefix}`)
              held.set(id, `${prefix}`)
              expect(held.size).toBeLessThanOrEqual(limit)
              await new Promise((resolve) => setTimeout(resolve, end ? 10 : 300))
              held.delete(id)
              turns.end(id)
            } finally {
              answered++
            }
          })
          const all = Promise.allSettled(asking)
          await vi.advanceTimersByTimeAsync(60_000)
          const outcomes = await all
          expect(answered).toBe(steps.length)
          for (const each of outcomes)
            if (each.status === 'rejected') expect(String(each.reason)).toContain('sends in another')
          expect(turns.size).toEqual({ turns: 0, waiting: 0 })
        },
      ),
      { numRuns: 60 },
    )
  })
})
