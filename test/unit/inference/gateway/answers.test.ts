/** What comes of answers: whose fault they are where nothing can be made of them, and how sure they are. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Gateway } from '../../../../src/inference/gateway/index.js'
import { ask, recording, tone } from './http-client.js'
import { ScriptedSource, served } from './scripted-source.js'

const source = new ScriptedSource()
let gateway: Gateway
beforeAll(async () => {
  source.list = [
    served({ id: 'voice', sha256: 'cd'.repeat(32), task: 'speak', unit: '1000-characters' }),
    served({ id: 'identifier', task: 'identify' }),
  ]
  gateway = await Gateway.start({ host: '127.0.0.1', port: 0 }, { source })
})
afterAll(() => gateway.stop())

it('speech of a rate that cannot be resampled is the fault of whoever made it', async () => {
  source.answer = async () => ({
    output: { kind: 'speech', sampleRate: 191_999, pcm16: new Uint8Array(20_000) },
    runSeconds: 0,
  })
  const say = (format: string) =>
    ask(`${gateway.url}/v1/audio/speech`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'voice', input: 'hello', response_format: format }),
    })
  const { status, error } = await say('pcm')
  expect([status, error.code, error.param]).toEqual([502, 'wrong_answer', null])
  expect(error.message).toMatch(/191999 samples a second.*"wav"/)
  expect((await say('wav')).status).toBe(200)
})

it.each([true, false, undefined])('a language is told with whether it is sure: %s', async (isSure) => {
  const labels = [{ label: 'en', probability: 0.4 }]
  const told = isSure === undefined ? {} : { isSure }
  source.answer = async () => ({ output: { kind: 'labels', labels, ...told }, runSeconds: 0 })
  const asked = recording(tone(1), { model: 'identifier' })
  const { text } = await ask(`${gateway.url}/v1/audio/language`, asked)
  expect(JSON.parse(text)).toMatchObject({
    language: 'en',
    languages: [{ language: 'en', probability: 0.4 }],
  })
  expect(JSON.parse(text).sure).toBe(isSure)
})
