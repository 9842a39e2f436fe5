/** Answers and offers of whoever is paid or heard of: contradictory, odd, and very many. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Gateway } from '../../../../src/inference/gateway/index.js'
import type { JobOutput, JobWord, ServedModel } from '../../../../src/inference/job.js'
import { ask, raw, recording, tone } from './http-client.js'
import { heard, ScriptedSource, served } from './scripted-source.js'

const source = new ScriptedSource()
let gateway: Gateway

const usual = [
  served(),
  served({ id: 'voice', sha256: 'cd'.repeat(32), task: 'speak', unit: '1000-characters' }),
  served({ id: 'words', sha256: 'ef'.repeat(32), task: 'embed', unit: 'request' }),
]

beforeAll(async () => {
  gateway = await Gateway.start({ host: '127.0.0.1', port: 0 }, { source })
})
afterAll(() => gateway.stop())
beforeEach(() => {
  source.jobs.length = 0
  source.list = usual
  source.answer = async () => heard('hello')
})

const answers = (output: JobOutput): void => {
  source.answer = async () => ({ output, runSeconds: 0 })
}
const word = (text: string, startSeconds: number, endSeconds: number): JobWord => ({
  ...{ text, startSeconds, endSeconds },
  confidence: 1,
})
const post = (path: string, body: object) =>
  ask(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

describe('words that come in no order', () => {
  it.each([
    ['that end before they begin', [word('a', 5, 2), word('b', 6, 7)]],
    ['of which later ones were said sooner', [word('a', 5, 6), word('b', 1, 2), word('c', 7, 8)]],
  ])('%s are subtitles all the same', async (_, words) => {
    answers({ kind: 'transcription', text: 'a b', language: 'en', words })
    for (const format of ['srt', 'vtt', 'verbose_json']) {
      const sent = recording(tone(0.2), { response_format: format })
      const { status, text } = await ask(`${gateway.url}/v1/audio/transcriptions`, sent)
      expect([format, status]).toEqual([format, 200])
      for (const { text: said } of words) expect(text).toContain(said)
    }
  })
})

describe('speech', () => {
  const speak = (format: string) =>
    post('/v1/audio/speech', { model: 'voice', input: 'x', response_format: format })

  it('of a rate at which nobody speaks is not blown up to gigabytes', async () => {
    answers({ kind: 'speech', sampleRate: 2, pcm16: new Uint8Array(10_000) })
    const { status, error } = await speak('pcm')
    expect([status, error.code]).toEqual([502, 'wrong_answer'])
  })

  it('without a sample is empty in every format', async () => {
    answers({ kind: 'speech', sampleRate: 16_000, pcm16: new Uint8Array(0) })
    for (const format of ['wav', 'flac', 'pcm']) expect((await speak(format)).status).toBe(200)
  })
})

describe('a vector', () => {
  const embed = (input: string, dimensions?: number) =>
    post('/v1/embeddings', { model: 'words', input, dimensions })
  const width = (count: number): void => answers({ kind: 'vector', values: new Float32Array(count).fill(1) })

  it('that was too short once is not believed for good', async () => {
    width(1)
    expect((await embed('a')).status).toBe(200)
    width(8)
    await embed('b', 4)
    expect((await embed('c', 4)).status).toBe(200)
  })

  it('without a number is no answer', async () => {
    width(0)
    expect((await embed('d')).status).toBe(502)
  })
})

describe('models that strangers offer', () => {
  /** One that has not looked yet. */
  const offered = async (
    list: readonly ServedModel[],
    work: (url: string) => Promise<void>,
  ): Promise<void> => {
    const strangers = new ScriptedSource()
    strangers.list = list
    const other = await Gateway.start({ host: '127.0.0.1', port: 0 }, { source: strangers })
    try {
      await work(other.url)
    } finally {
      await other.stop()
    }
  }
  const stranger = (i: number, more: Partial<ServedModel> = {}): ServedModel =>
    served({
      ...{ id: `m${i}`, sha256: String(i).padStart(64, '0'), ownedBy: `peer${i}`, languages: [] },
      standing: { names: [], isNamesake: false },
      ...more,
    })
  const tookMs = async (work: () => Promise<unknown>): Promise<number> => {
    const started = performance.now()
    await work()
    return performance.now() - started
  }

  it('have as many languages as they like, and cost nobody seconds', async () => {
    const languages = Array.from({ length: 2000 }, (_, i) => `x${(i + 50_000).toString(36)}`)
    const more = Array.from({ length: 2000 }, (_, i) => (i + 12_000).toString(26).replace(/\d/g, 'z'))
    const list = Array.from({ length: 100 }, (_, i) =>
      stranger(i, { languages: i % 2 === 0 ? languages : more }),
    )
    await offered(list, async (url) => {
      const sent = recording(tone(0.2), { model: 'auto', language: 'de-AT' })
      const asked = async () => expect((await ask(`${url}/v1/audio/transcriptions`, sent)).status).toBe(404)
      await asked()
      expect(await tookMs(asked)).toBeLessThan(1500)
    })
  })

  it('are listed in a time that grows with their number alone', async () => {
    const list = Array.from({ length: 30_000 }, (_, i) => stranger(i))
    await offered(list, async (url) => {
      const listed = async () => {
        const { status, text } = await ask(`${url}/v1/models`)
        expect(status).toBe(200)
        expect(JSON.parse(text).data).toHaveLength(30_000)
      }
      expect(await tookMs(listed)).toBeLessThan(2500)
    })
  })
})

it('a connection that was used before is told what is wrong, too', async () => {
  const text = await raw(gateway.url, (send) => {
    send('GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n')
    setTimeout(() => send(`GET /health HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`), 300)
  })
  expect(text).toMatch(/^HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 431 [\s\S]*headers_too_large/)
})

it('a source that does not say which models it has holds nobody up beyond the time there is', async () => {
  const silent = new ScriptedSource()
  silent.models = () => new Promise(() => undefined)
  const limits = { answerMs: 300, requests: 1 }
  const other = await Gateway.start({ host: '127.0.0.1', port: 0, limits }, { source: silent })
  for (let i = 0; i < 2; i++) {
    const { status, error } = await ask(`${other.url}/v1/models`)
    expect([status, error.code]).toEqual([504, 'timeout'])
  }
  await other.stop()
})
