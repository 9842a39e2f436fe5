/** A stream is heard as a recording is, an utterance at a time, with times from its beginning. */
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import type { HeardUtterance, StreamHeard } from '../../../../src/inference/local/listening.js'
import { openAsrSmallService } from '../../../../src/inference/local/own-models-service.js'
import { openSpeechService, type Transcription } from '../../../../src/inference/local/speech-service.js'
import { resample } from '../../../../src/ml/audio/resample.js'
import { readWav } from '../../../../src/ml/audio/wav-read.js'
import type { Service } from '../../../../src/ml/session/service.js'
import { firstCase } from '../../models/checkpoint-copies.js'

const SLOW = 180_000
const RATE = 16_000

/** Said, a silence, said again, broken off. */
async function recording(): Promise<Float32Array> {
  const { sampleRate, channels } = readWav(await readFile('test/fixtures/speech/accept-this-call.wav'))
  const once = resample(channels[0] ?? new Float32Array(), sampleRate, RATE)
  const samples = new Float32Array(2 * once.length + RATE)
  samples.set(once)
  samples.set(once, once.length + RATE)
  return samples.subarray(0, samples.length - 3000)
}

async function listen(service: Service, samples: Float32Array, sampleRate: number, piece: number) {
  const heard: HeardUtterance[] = []
  const open: NonNullable<StreamHeard['open']>[] = []
  for (let from = 0; ; from += piece) {
    const sound = { samples: samples.subarray(from, from + piece), sampleRate }
    const isLast = from >= samples.length
    const answer = (await service.call('listen', { sound, isLast, isOpenWanted: true })) as StreamHeard
    heard.push(...answer.utterances)
    if (answer.open !== undefined) open.push(answer.open)
    if (isLast) return { heard, open }
  }
}

it.each([
  ['asr-small', () => openAsrSmallService({ directory: 'models/asr-small', threads: 1 })],
  [
    'a published recogniser',
    () => {
      const directory = firstCase('01').folder
      return openSpeechService({ directory, family: 'wav2vec2', task: 'transcribe', threads: 1 })
    },
  ],
])('%s hears the words of the recording, at their times', { timeout: SLOW }, async (_, open) => {
  const service = await open()
  const samples = await recording()
  const sound = { samples, sampleRate: RATE }
  const whole = (await service.call('transcribe', {
    sound,
    hearing: { skipSilence: true },
  })) as Transcription
  expect(whole.speech).toHaveLength(2)
  // One stream after another: the second knows nothing of the first.
  for (const piece of [4000, 50_000]) {
    const { heard, open: said } = await listen(service, samples, RATE, piece)
    expect(heard.map(({ text }) => text).join(' ')).toBe(whole.text)
    expect(heard.flatMap(({ words }) => words)).toEqual(whole.words)
    const stretches = heard.map(({ startSeconds, endSeconds }) => ({ startSeconds, endSeconds }))
    expect(stretches).toEqual(whole.speech)
    // What is being said was heard before it ended.
    if (piece === 4000) expect(said.length).toBeGreaterThan(0)
    // With the silence that may end it.
    for (const { startSeconds, endSeconds } of said)
      expect(
        heard.some((each) => each.startSeconds === startSeconds && each.endSeconds > endSeconds - 0.5),
      ).toBe(true)
  }
  await service.close?.()
})

it('is brought to the rate at which voices are heard', { timeout: SLOW }, async () => {
  const service = await openAsrSmallService({ directory: 'models/asr-small', threads: 1 })
  const samples = resample(await recording(), RATE, 44_100)
  const { heard } = await listen(service, samples, 44_100, 10_000)
  expect(heard).toHaveLength(2)
  expect(heard[0]?.text).toMatch(/^please press one /)
  expect(heard[1]?.startSeconds).toBeGreaterThan(3)
  await service.close?.()
})
