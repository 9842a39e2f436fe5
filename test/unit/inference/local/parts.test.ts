/** Text of a long recording while it is being heard, from the services themselves. */
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { openAsrSmallService } from '../../../../src/inference/local/own-models-service.js'
import type { Sound } from '../../../../src/inference/local/sound.js'
import { openSpeechService, type Transcription } from '../../../../src/inference/local/speech-service.js'
import { readWav } from '../../../../src/ml/audio/wav-read.js'
import type { Service } from '../../../../src/ml/session/service.js'
import { firstCase } from '../../models/checkpoint-copies.js'

const SLOW = 120_000

async function spoken(times: number): Promise<Sound> {
  const { sampleRate, channels } = readWav(await readFile('test/fixtures/speech/accept-this-call.wav'))
  const [once = new Float32Array(0)] = channels
  const samples = new Float32Array(times * once.length)
  for (let i = 0; i < times; i++) samples.set(once, i * once.length)
  return { samples, sampleRate }
}

async function heard(service: Service, sound: Sound): Promise<{ parts: string[]; text: string }> {
  const parts: string[] = []
  const tell = (part: unknown): void => {
    // How far it has come is told, too.
    if (typeof part === 'string') parts.push(part)
  }
  const { text } = (await service.call('transcribe', { sound }, tell)) as Transcription
  return { parts, text }
}

it('asr-small tells each piece that it heard', { timeout: SLOW }, async () => {
  const service = await openAsrSmallService({ directory: 'models/asr-small' })
  const { parts, text } = await heard(service, await spoken(13))
  expect(parts.length).toBeGreaterThan(1)
  expect(parts.join(' ')).toBe(text)
  await service.close?.()
})

it('a wav2vec 2.0 recogniser tells the words of each window', { timeout: SLOW }, async () => {
  const directory = firstCase('01').folder
  const service = await openSpeechService({ directory, family: 'wav2vec2', task: 'transcribe', threads: 1 })
  const { parts, text } = await heard(service, await spoken(24))
  expect(parts.length).toBeGreaterThan(1)
  expect(parts.join('')).toBe(text)
  await service.close?.()
})
