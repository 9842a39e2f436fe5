import { afterEach, expect, it } from 'vitest'
import { Budget } from '../../../../src/inference/gateway/budget.js'
import { DEFAULT_LIMITS, heldBytesFor } from '../../../../src/inference/gateway/index.js'
import { SoundDecoder } from '../../../../src/inference/gateway/sound-decoder.js'
import { tone } from './http-client.js'

const never = new AbortController().signal
let decoder: SoundDecoder
afterEach(() => decoder.close())

it('the time that others take before it in the line is not taken for its own', async () => {
  // Whatever this machine makes of it: a rate of which each sample is computed from hundreds.
  const file = tone(60, 44_100)
  decoder = new SoundDecoder({ soundSeconds: 1800, decodeMs: 60_000 })
  await decoder.decode(file, never)
  const started = performance.now()
  await decoder.decode(file, never)
  const tookMs = performance.now() - started
  await decoder.close()

  decoder = new SoundDecoder({ soundSeconds: 1800, decodeMs: 3 * tookMs })
  await decoder.open()
  const all = await Promise.all(Array.from({ length: 8 }, () => decoder.decode(file, never)))
  expect(all.map(({ sampleRate }) => sampleRate)).toEqual(Array(8).fill(16_000))

  await decoder.close()
  decoder = new SoundDecoder({ soundSeconds: 1800, decodeMs: tookMs / 10 })
  await expect(decoder.decode(file, never)).rejects.toMatchObject({ status: 400, code: 'invalid_audio' })
})

it('the largest upload that is taken has room with its sound, where there is nothing else', () => {
  decoder = new SoundDecoder(DEFAULT_LIMITS)
  for (const mib of [1, 25, 200, 1024]) {
    const held = new Budget(heldBytesFor(mib * 2 ** 20), 'full')
    held.take(mib * 2 ** 20)
    held.take(2 * 2 * 16_000 * DEFAULT_LIMITS.soundSeconds)
  }
})
