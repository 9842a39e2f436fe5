import { expect, it } from 'vitest'
import { WorkingTime } from '../../../src/inference/working-time.js'

it('goes on while nothing is held, and not while it is', () => {
  let nowMs = 1000
  const working = new WorkingTime(() => nowMs)
  const first = working.begin()
  nowMs += 10
  expect(first()).toBe(10)
  working.pause()
  nowMs += 500
  // Who is held twice stands still since the first time.
  working.pause()
  nowMs += 500
  expect(first()).toBe(10)
  const second = working.begin()
  working.resume()
  working.resume()
  nowMs += 7
  expect([first(), second()]).toEqual([17, 7])
})
