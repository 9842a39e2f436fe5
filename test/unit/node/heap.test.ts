import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { collectBetweenJobs } from '../../../src/node/heap.js'

const MEBIBYTE = 2 ** 20

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))
const garbage = () => new WeakRef({ bytes: new Uint8Array(1000) })

it('gives back once a minute what has grown, between jobs, and leaves a heap that has not', async () => {
  let isBusy = false
  collectBetweenJobs(() => isBusy)
  // No second clock.
  const ended = collectBetweenJobs(() => true)
  expect(vi.getTimerCount()).toBe(1)
  // Who buys and sells nothing any more holds nobody up.
  ended()
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

  // A job is under way: it waits for nothing.
  const more = new Uint8Array(100 * MEBIBYTE)
  isBusy = true
  const fourth = garbage()
  await nextTurn()
  vi.advanceTimersByTime(62_000)
  expect(fourth.deref()).toBeDefined()
  await nextTurn()
  isBusy = false
  vi.advanceTimersByTime(250)
  expect(fourth.deref()).toBeUndefined()

  // One that never ends is not waited for.
  const most = new Uint8Array(100 * MEBIBYTE)
  isBusy = true
  const fifth = garbage()
  await nextTurn()
  vi.advanceTimersByTime(120_000)
  expect(fifth.deref()).toBeUndefined()
  expect(more.length + most.length).toBe(200 * MEBIBYTE)
})
