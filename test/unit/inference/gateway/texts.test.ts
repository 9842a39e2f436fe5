/** Half a character (a lone surrogate), which JSON can say and nothing else can: told of the field, before it is a job. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Gateway } from '../../../../src/inference/gateway/index.js'
import { encodeInput } from '../../../../src/inference/network/job-codec.js'
import { ask, form, tone } from './http-client.js'
import { heard, ScriptedSource, served } from './scripted-source.js'

const source = new ScriptedSource()
let gateway: Gateway

beforeAll(async () => {
  source.list = [
    served({ languages: [] }),
    served({ id: 'words', sha256: 'cd'.repeat(32), task: 'embed', unit: 'request' }),
    served({ id: 'voice', sha256: 'ef'.repeat(32), task: 'speak', unit: '1000-characters' }),
  ]
  // As the network does it.
  source.answer = async ({ input }) => {
    encodeInput(input)
    return heard('hello')
  }
  gateway = await Gateway.start({ host: '127.0.0.1', port: 0 }, { source })
})
afterAll(() => gateway.stop())
beforeEach(() => {
  source.jobs.length = 0
})

describe('half a character', () => {
  it.each([
    ['embeddings', String.raw`{"model":"words","input":"a\ud800b"}`, 'input'],
    ['embeddings', String.raw`{"model":"words","input":["a","b\udc00"]}`, 'input'],
    ['embeddings', String.raw`{"model":"wor\ud800ds","input":"a"}`, 'model'],
    ['audio/speech', String.raw`{"model":"voice","input":"a\ud83d"}`, 'input'],
  ])('in %s %s is refused as %s', async (path, body, param) => {
    const headers = { 'content-type': 'application/json' }
    const { status, error } = await ask(`${gateway.url}/v1/${path}`, { method: 'POST', headers, body })
    expect(status).toBe(400)
    expect(error).toMatchObject({ code: 'invalid_value', param, type: 'invalid_request_error' })
    expect(error.message).toMatch(/half a character/)
    expect(source.jobs).toHaveLength(0)
  })

  it('in a form, which may be written in UTF-16, is refused, too', async () => {
    const sent = form(
      { name: 'model', content: 'recogniser' },
      { name: 'language', content: Buffer.from('d\ud800e', 'utf16le') },
      { name: 'file', fileName: 'a.wav', content: tone(1) },
    )
    const at = sent.body.indexOf('name="language"') + 'name="language"'.length
    const type = Buffer.from('\r\ncontent-type: text/plain; charset=utf-16le')
    const body = Buffer.concat([sent.body.subarray(0, at), type, sent.body.subarray(at)])
    const { status, error } = await ask(`${gateway.url}/v1/audio/transcriptions`, { ...sent, body })
    expect([status, error.param]).toEqual([400, 'language'])
    expect(source.jobs).toHaveLength(0)
  })

  it('whole ones are taken, beyond the first plane as well', async () => {
    source.answer = async ({ input }) => {
      encodeInput(input)
      return { output: { kind: 'vector', values: Float32Array.of(1) }, runSeconds: 0 }
    }
    const headers = { 'content-type': 'application/json' }
    const body = String.raw`{"model":"words","input":"\ud83d\ude80"}`
    expect((await ask(`${gateway.url}/v1/embeddings`, { method: 'POST', headers, body })).status).toBe(200)
    expect(source.jobs).toMatchObject([{ input: { text: '🚀' } }])
  })
})
