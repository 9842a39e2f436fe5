import { expect, it } from 'vitest'
import { Speeds } from '../../../../src/inference/provider/speeds.js'

const seconds = (count: number) => ({
  kind: 'sound' as const,
  sampleRate: 8000,
  pcm16: new Uint8Array(2 * 8000 * count),
})

it('follow what jobs took, and tell how much of one is done', () => {
  const speeds = new Speeds()
  expect(speeds.of('a')).toEqual({})
  // Nothing is known of it: it may have been all.
  expect(speeds.doneShare('a', 1, seconds(10))).toBe(1)
  speeds.learn('a', 1, seconds(10))
  expect(speeds.of('a')).toEqual({ runMsPerSecond: 100 })
  expect(speeds.doneShare('a', 250, seconds(10))).toBe(0.25)
  expect(speeds.doneShare('a', 5000, seconds(10))).toBe(1)
  speeds.learn('a', 2, seconds(10))
  expect(speeds.of('a')).toEqual({ runMsPerSecond: 130 })
  // What is shorter than a second counts as one.
  speeds.learn('b', 0.2, { ...seconds(1), pcm16: new Uint8Array(2 * 800) })
  expect(speeds.of('b')).toEqual({ runMsPerSecond: 200 })
  speeds.learn('c', 1e9, seconds(1))
  expect(speeds.of('c')).toEqual({ runMsPerSecond: 1_000_000 })
})
