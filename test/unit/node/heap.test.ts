import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { collectSeldom } from '../../../src/node/heap.js'

const MEBIBYTE = 2 ** 20

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval'] }))
afterEach(() => void vi.useRealTimers())

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

it('gives back once a minute what has grown, and leaves a heap that has not', async () => {
  collectSeldom()
  // No second clock.
  collectSeldom()
  expect(vi.getTimerCount()).toBe(1)
  const garbage = () => new WeakRef({ bytes: new Uint8Array(1000) })
  const first = garbage()
  await nextTurn()
  vi.advanceTimersByTime(60_000)
  expect(first.deref()).toBeUndefined()

  const grown = new Uint8Array(200 * MEBIBYTE)
  const second = garbage()
  await nextTurn()
  vi.advanceTimersByTime(60_000)
  expect(second.deref()).toBeUndefined()
  expect(grown.length).toBe(200 * MEBIBYTE)

  // Nothing grew since: nobody looks.
  const third = garbage()
  await nextTurn()
  vi.advanceTimersByTime(60_000)
  expect(third.deref()).toBeDefined()
})
