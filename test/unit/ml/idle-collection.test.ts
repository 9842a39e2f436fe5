import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { IdleCollection } from '../../../src/ml/session/idle-collection.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())
const MEBIBYTE = 2 ** 20

it('a service is collected when it has waited for a moment, and has something to give back', () => {
  let used = 10 * MEBIBYTE
  let collections = 0
  const collect = () => {
    collections++
    used = 8 * MEBIBYTE
  }
  const collection = new IdleCollection({ collect, usedBytes: () => used })
  const call = (ms: number) => {
    collection.busy()
    used += 3 * MEBIBYTE
    collection.idle()
    vi.advanceTimersByTime(ms)
  }
  // Calls that follow each other are not held up.
  for (let i = 0; i < 5; i++) call(50)
  expect(collections).toBe(0)
  vi.advanceTimersByTime(50)
  expect(collections).toBe(1)
  // One call leaves too little.
  call(1000)
  expect(collections).toBe(1)
  call(1000)
  expect(collections).toBe(2)
  // While a call runs, however long, nothing is collected.
  used += 100 * MEBIBYTE
  collection.idle()
  collection.busy()
  vi.advanceTimersByTime(60_000)
  expect(collections).toBe(2)
})
