import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DelayLine, FULL } from '../../../src/lab/delay-line.js'

const BYTES = 1000

describe('packets waiting for their time', () => {
  it('come back in order of their due times, and of equals the first first', () => {
    const line = new DelayLine({ bytes: BYTES, packets: 8 })
    const names = new Map<number, string>()
    for (const [name, due] of [
      ['a', 30],
      ['b', 10],
      ['c', 30],
      ['d', 20],
    ] as const)
      names.set(line.commit(line.reserve(10), 10, due), name)
    const order: (string | undefined)[] = []
    for (; line.size > 0; line.release()) order.push(names.get(line.first()))
    expect(order).toEqual(['b', 'd', 'a', 'c'])
    expect(line.nextDue).toBe(Number.POSITIVE_INFINITY)
  })

  it('says when it is full, by bytes and by packets', () => {
    const line = new DelayLine({ bytes: BYTES, packets: 2 })
    expect(line.reserve(BYTES + 1)).toBe(FULL)
    line.commit(line.reserve(600), 600, 1)
    expect(line.reserve(600)).toBe(FULL)
    line.commit(line.reserve(100), 100, 2)
    expect(line.reserve(1)).toBe(FULL)
    line.release()
    expect(line.reserve(500)).not.toBe(FULL)
  })

  it('never hands out memory that a waiting packet holds, and keeps the order of a sorted list', () => {
    const step = fc.record({ bytes: fc.integer({ min: 1, max: 400 }), due: fc.nat(50), takes: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const line = new DelayLine({ bytes: BYTES, packets: 16 })
        let held: { offset: number; bytes: number; due: number; order: number }[] = []
        let order = 0
        for (const { bytes, due, takes } of steps) {
          const offset = line.reserve(bytes)
          if (offset !== FULL) {
            expect(offset + bytes).toBeLessThanOrEqual(BYTES)
            for (const other of held)
              expect(offset + bytes <= other.offset || offset >= other.offset + other.bytes).toBe(true)
            line.commit(offset, bytes, due)
            held.push({ offset, bytes, due, order })
            order += 1
          }
          for (let i = 0; i < takes && held.length > 0; i++) {
            held.sort((a, b) => a.due - b.due || a.order - b.order)
            const [next, ...rest] = held
            expect(line.nextDue).toBe(next?.due)
            expect(line.offsetOf(line.first())).toBe(next?.offset)
            expect(line.lengthOf(line.first())).toBe(next?.bytes)
            line.release()
            held = rest
          }
          expect(line.size).toBe(held.length)
        }
      }),
    )
  })
})
