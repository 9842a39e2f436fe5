/** Silence is not heard, and times stay those of the recording. */
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { openAsrSmallService } from '../../../../src/inference/local/own-models-service.js'
import type { Sound } from '../../../../src/inference/local/sound.js'
import { openSpeechService, type Transcription } from '../../../../src/inference/local/speech-service.js'
import type { Reached } from '../../../../src/inference/local/told.js'
import { resample } from '../../../../src/ml/audio/resample.js'
import { readWav } from '../../../../src/ml/audio/wav-read.js'
import type { Service } from '../../../../src/ml/session/service.js'
import { firstCase } from '../../models/checkpoint-copies.js'

const SLOW = 180_000
const SILENCE_SECONDS = 4

/** A rate that is neither the network's nor the recogniser's. */
const RATE = 24_000

/** Said, a silence, said again. */
async function saidTwice(): Promise<{ readonly sound: Sound; readonly againAt: number }> {
  const { sampleRate, channels } = readWav(await readFile('test/fixtures/speech/accept-this-call.wav'))
  const once = resample(channels[0] ?? new Float32Array(0), sampleRate, RATE)
  const again = once.length + SILENCE_SECONDS * RATE
  const samples = new Float32Array(again + once.length)
  samples.set(once)
  samples.set(once, again)
  return { sound: { samples, sampleRate: RATE }, againAt: again / RATE }
}

async function heard(service: Service, sound: Sound, skipSilence: boolean) {
  const texts: string[] = []
  const reached: Reached[] = []
  const tell = (part: unknown): void =>
    void (typeof part === 'string' ? texts.push(part) : reached.push(part as Reached))
  const answer = await service.call('transcribe', { sound, hearing: { skipSilence } }, tell)
  return { ...(answer as Transcription), texts, reached }
}

it('asr-small hears what was said before a silence and after it', { timeout: SLOW }, async () => {
  const service = await openAsrSmallService({ directory: 'models/asr-small', threads: 1 })
  const { sound, againAt } = await saidTwice()
  const both = await heard(service, sound, true)
  expect(both.text).toMatch(/^please press one to accept this .* press one to accept this /)
  expect(both.texts.join(' ')).toBe(both.text)
  const seconds = sound.samples.length / sound.sampleRate
  expect(both.reached.at(-1)).toEqual({ done: seconds, total: seconds })
  const [first, second] = both.speech ?? []
  expect(both.speech).toHaveLength(2)
  expect(first?.endSeconds).toBeLessThan(againAt - SILENCE_SECONDS + 0.5)
  expect(second?.startSeconds).toBeGreaterThan(againAt - 0.5)
  const pressed = both.words.filter(({ text }) => text === 'press').map((word) => word.startSeconds)
  expect(pressed).toHaveLength(2)
  expect((pressed[1] ?? 0) - (pressed[0] ?? 0)).toBeCloseTo(againAt, 0)
  // Without it the silence belongs to what was heard.
  expect((await heard(service, sound, false)).speech).toBeUndefined()
  await service.close?.()
})

it('a published recogniser hears nothing in silence', { timeout: SLOW }, async () => {
  const directory = firstCase('01').folder
  const service = await openSpeechService({ directory, family: 'wav2vec2', task: 'transcribe', threads: 1 })
  const { sound, againAt } = await saidTwice()
  const { words, speech = [] } = await heard(service, sound, true)
  expect(speech).toHaveLength(2)
  expect(words.some(({ startSeconds }) => startSeconds > againAt - 0.5)).toBe(true)
  for (const word of words)
    expect(
      speech.some((each) => each.startSeconds <= word.startSeconds && word.endSeconds <= each.endSeconds),
    ).toBe(true)
  const silence = { samples: new Float32Array(2 * sound.sampleRate), sampleRate: sound.sampleRate }
  expect(await heard(service, silence, true)).toMatchObject({ text: '', words: [], speech: [] })
  await service.close?.()
})
