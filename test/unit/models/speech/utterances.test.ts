/** Speech that comes piece by piece is cut as a recording of the same is, in bounded memory. */
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { readAudioFile } from '../../../../src/ml/audio/decode.js'
import { type HearsVoice, type Utterance, Utterances } from '../../../../src/models/speech/utterances.js'
import { VoiceActivity } from '../../../../src/models/speech/voice-activity.js'

const RATE = 16_000
const SPOKEN = fileURLToPath(new URL('../../../fixtures/audio/speech.wav', import.meta.url))

async function cut(activity: HearsVoice, samples: Float32Array, piece: number): Promise<Utterance[]> {
  const utterances = new Utterances(activity)
  const ended: Utterance[] = []
  for (let from = 0; from < samples.length; from += piece)
    ended.push(...(await utterances.push(samples.subarray(from, from + piece))))
  return [...ended, ...(await utterances.finish())]
}

it('is cut where the whole recording is, however it comes', { timeout: 60_000 }, async () => {
  const { channels } = await readAudioFile(SPOKEN)
  const [speech = new Float32Array()] = channels
  const silence = new Float32Array(1.5 * RATE)
  // It breaks off within the last word.
  const parts = [silence, speech, silence, speech, silence, speech.subarray(0, speech.length - 5000)]
  const recording = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    recording.set(part, at)
    at += part.length
  }
  const activity = await VoiceActivity.open()
  try {
    const expected = await activity.segments(recording)
    expect(expected).toHaveLength(3)
    for (const piece of [777, RATE, recording.length]) {
      const found = await cut(activity, recording, piece)
      expect(found.map(({ start, end }) => ({ start, end }))).toEqual(expected)
      for (const { start, end, samples } of found) expect(samples).toEqual(recording.slice(start, end))
    }
    expect(await cut(activity, silence, 777)).toEqual([])
  } finally {
    await activity.close()
  }
})

/** Says what it is told instead of hearing. */
const voice = (speaks: (window: number) => boolean): HearsVoice => {
  let window = 0
  return {
    sampleRate: RATE,
    windowSamples: 512,
    reset: () => undefined,
    probability: async () => (speaks(window++) ? 0.9 : 0.01),
  }
}

it('tells what is being said, and an utterance half a second after its end', async () => {
  // Windows of 32 ms: a second of speech after a second of silence.
  const utterances = new Utterances(voice((window) => window >= 31 && window < 62))
  let at = 0
  const next = async (): Promise<readonly Utterance[]> => {
    at += 512
    return utterances.push(new Float32Array(512).fill(at))
  }
  while (at < 40 * 512) expect(await next()).toEqual([])
  const { open } = utterances
  expect(open).toMatchObject({ start: 31 * 512 - 1600, end: 40 * 512 })
  expect(open?.samples.length).toBe(40 * 512 - (31 * 512 - 1600))
  let ended: readonly Utterance[] = []
  while (ended.length === 0) ended = await next()
  expect(ended).toMatchObject([{ start: 31 * 512 - 1600, end: 62 * 512 + 1600 }])
  expect(at / RATE - (62 * 512) / RATE).toBeCloseTo(0.5, 1)
  expect(utterances.open).toBeUndefined()
})

it('who speaks without a breath is cut, and nothing is lost', { timeout: 60_000 }, async () => {
  const utterances = new Utterances(voice(() => true))
  const piece = new Float32Array(RATE)
  let last = 0
  for (let second = 0; second < 200; second++)
    for (const { start, end, samples } of await utterances.push(piece)) {
      expect(start).toBe(last)
      expect(samples.length).toBe(end - start)
      expect(end - start).toBeLessThanOrEqual(30 * RATE)
      last = end
    }
  const [rest] = await utterances.finish()
  expect([rest?.start, rest?.end]).toEqual([last, 200 * RATE])
})

it('half an hour of silence takes no memory', { timeout: 60_000 }, async () => {
  const utterances = new Utterances(voice(() => false))
  const piece = new Float32Array(RATE)
  const before = process.memoryUsage().arrayBuffers
  for (let second = 0; second < 1800; second++) await utterances.push(piece)
  // All of it has 110 MiB.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(60 * 2 ** 20)
})
