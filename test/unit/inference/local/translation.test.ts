/** Recordings that are longer than a decoder has positions for. */
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import type { Sound } from '../../../../src/inference/local/sound.js'
import { openSpeechService } from '../../../../src/inference/local/speech-service.js'
import type { Reached } from '../../../../src/inference/local/told.js'
import { joined, type SpokenTranslation } from '../../../../src/inference/local/translation.js'
import { readWav } from '../../../../src/ml/audio/wav-read.js'
import { firstCase } from '../../models/checkpoint-copies.js'

const SLOW = 180_000
const SENTENCES = 11
const PERIOD_SECONDS = 6

/** A sentence every six seconds, for more than a minute. */
async function speech(): Promise<Sound> {
  const { sampleRate, channels } = readWav(await readFile('test/fixtures/speech/accept-this-call.wav'))
  const samples = new Float32Array(SENTENCES * PERIOD_SECONDS * sampleRate)
  for (let i = 0; i < SENTENCES; i++)
    samples.set(channels[0] ?? new Float32Array(0), i * PERIOD_SECONDS * sampleRate)
  return { samples, sampleRate }
}

describe('a long recording', () => {
  it('is translated sentence by sentence, each as if it were alone', { timeout: SLOW }, async () => {
    const directory = firstCase('11').folder
    const service = await openSpeechService({
      ...{ directory, family: 'speech-translation', task: 'translate', threads: 1 },
    })
    const sound = await speech()
    const told: string[] = []
    const reached: Reached[] = []
    const answer = (await service.call('translate', { sound }, (part) => {
      if (typeof part === 'string') told.push(part)
      else reached.push(part as Reached)
    })) as SpokenTranslation
    const { text, parts = [] } = answer
    expect(parts).toHaveLength(SENTENCES)
    for (const [i, { startSeconds, endSeconds }] of parts.entries()) {
      expect(startSeconds).toBeGreaterThanOrEqual(i * PERIOD_SECONDS)
      expect(endSeconds).toBeLessThan((i + 1) * PERIOD_SECONDS)
    }
    expect(text).toBe(parts.map((part) => part.text).join(' '))
    expect(told).toEqual(parts.map((part) => part.text).filter((part) => part !== ''))
    expect(reached.map(({ done }) => done)).toEqual(parts.map(({ endSeconds }) => endSeconds))
    const [, second] = parts
    if (second === undefined) throw new Error('no second part')
    const { samples, sampleRate } = sound
    const alone = samples.subarray(
      Math.round(second.startSeconds * sampleRate),
      Math.round(second.endSeconds * sampleRate),
    )
    const again = await service.call('translate', { sound: { samples: alone, sampleRate } })
    expect(again).toEqual({ text: second.text })
    await service.close?.()
  })
})

describe('stretches of speech', () => {
  it('are put together as long as they are close and short', () => {
    const segments = [
      { start: 0, end: 10 },
      { start: 12, end: 20 },
      { start: 21, end: 40 },
      { start: 60, end: 65 },
      { start: 66, end: 70 },
    ]
    expect(joined(segments, 30, 5)).toEqual([
      { start: 0, end: 20 },
      { start: 21, end: 40 },
      { start: 60, end: 70 },
    ])
    expect(joined(segments, 100, 100)).toEqual([{ start: 0, end: 70 }])
    expect(joined([], 30, 5)).toEqual([])
  })
})
