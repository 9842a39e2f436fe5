import { expect, it } from 'vitest'
import type { ModelCard } from '../../../../src/inference/catalogue/card.js'
import type { LocalModel } from '../../../../src/inference/local/local-model.js'
import { runJob } from '../../../../src/inference/local/run-job.js'

it('a text that takes longer than anybody may have is spoken no further', async () => {
  let spoken = 0
  const voice = {
    planSpeech: async () => ({ pieces: Array(1000).fill('a'), leftOut: [], sampleRate: 16_000, speakers: 1 }),
    speak: async () => {
      spoken++
      return new Float32Array(16_000)
    },
  } as unknown as LocalModel
  const job = { task: 'speak', model: '', input: { kind: 'text', text: 'a' }, parameters: {} } as const
  const speak = (mostSpeechBytes: number) =>
    runJob(voice, {} as ModelCard, job, new AbortController().signal, { mostSpeechBytes })
  await expect(speak(320_000)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  expect(spoken).toBe(11)
  expect(await speak(32_000_000)).toMatchObject({ kind: 'speech', sampleRate: 16_000 })
})
