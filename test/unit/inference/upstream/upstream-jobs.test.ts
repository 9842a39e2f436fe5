/** Upstream servers as they come: lists of names alone, no word times, errors of other shapes, answers without end. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Task } from '../../../../src/inference/catalogue/card.js'
import type { Job, SoundInput } from '../../../../src/inference/job.js'
import { UpstreamJobs } from '../../../../src/inference/upstream/upstream-jobs.js'
import { samplesOfPcm16 } from '../../../../src/ml/audio/pcm16.js'
import { readWav } from '../../../../src/ml/audio/wav-read.js'

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void

let server: Server
let baseUrl: string
let handle: Handler = () => undefined

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    if (request.url === '/v1/models')
      json(response, { object: 'list', data: [{ id: 'heard' }, { id: 'unheard' }] })
    else handle(request, response, Buffer.concat(pieces))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

function json(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

const pcm16 = new Uint8Array(Int16Array.from({ length: 1600 }, (_, i) => 100 * i).buffer)
const sound: SoundInput = { kind: 'sound', sampleRate: 16_000, pcm16 }

async function withJobs<T>(
  work: (jobs: UpstreamJobs, job: Job) => Promise<T>,
  { task = 'transcribe' as Task, timeoutMs = 60_000 } = {},
): Promise<T> {
  const jobs = new UpstreamJobs({ baseUrl, apiKey: 'secret', tasks: new Map([['heard', task]]), timeoutMs })
  try {
    const [model] = await jobs.models()
    const input = task === 'speak' || task === 'embed' ? { kind: 'text' as const, text: 'hello' } : sound
    return await work(jobs, { task, model: model?.sha256 ?? '', input, parameters: {} })
  } finally {
    await jobs.close()
  }
}

describe('a server that lists names alone', () => {
  it('has the models whose task was told, each with a name of its own for what cannot be hashed', async () => {
    const jobs = new UpstreamJobs({ baseUrl, tasks: new Map([['heard', 'transcribe']]) })
    const models = await jobs.models()
    expect(models).toMatchObject([
      { id: 'heard', task: 'transcribe', unit: 'audio-second', ownedBy: new URL(baseUrl).host },
    ])
    expect(models[0]?.sha256).toMatch(/^[0-9a-f]{64}$/)
    await jobs.close()
  })

  it('gets the samples as they are, the key as a token, and may refuse verbose_json', async () => {
    const asked: string[] = []
    handle = ({ headers }, response, body) => {
      const text = body.toString('latin1')
      const format = /name="response_format"\r\n\r\n(\w+)/.exec(text)?.[1] ?? 'none'
      asked.push(`${headers.authorization} ${format}`)
      const at = text.indexOf('RIFF')
      const [samples] = readWav(new Uint8Array(body.subarray(at, at + 44 + pcm16.length))).channels
      expect(samples).toEqual(samplesOfPcm16(pcm16))
      if (format === 'verbose_json')
        json(response, { detail: 'response_format verbose_json is not known' }, 422)
      else json(response, { text: ' hello there ' })
    }
    const { output } = await withJobs((jobs, job) => jobs.run(job))
    expect(output).toEqual({ kind: 'transcription', text: 'hello there', language: null, words: [] })
    expect(asked).toEqual(['Bearer secret verbose_json', 'Bearer secret json'])
  })

  it('words have the confidence of their segment', async () => {
    handle = (_, response) =>
      json(response, {
        text: 'hello there',
        language: 'english',
        segments: [{ text: ' hello there', start: 0, end: 1, avg_logprob: Math.log(0.5) }],
        words: [
          { word: 'hello', start: 0.1, end: 0.4 },
          { word: 'there', start: 0.5, end: 0.9 },
        ],
      })
    const { output } = await withJobs((jobs, job) => jobs.run(job))
    expect(output).toMatchObject({ language: 'english', words: [{ text: 'hello' }, { text: 'there' }] })
    const words = output.kind === 'transcription' ? output.words : []
    for (const { confidence } of words) expect(confidence).toBeCloseTo(0.5)
  })

  it('streams across the seams of its packets', async () => {
    handle = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const events = [
        ': a comment\n\n',
        'data: {"type":"transcript.text.delta","delta":"gr',
        'ün"}\n\nevent: x\r\nda',
        'ta: {"type":"transcript.text.delta","delta":" tea"}\r\n\r\n',
        'data: {"type":"transcript.text.done","text":"grün tea"}\n\ndata: [DONE]\n\n',
      ]
      let i = 0
      const next = (): void => {
        const event = events[i++]
        if (event === undefined) response.end()
        else response.write(event, () => setTimeout(next, 5))
      }
      next()
    }
    const parts: string[] = []
    const { output } = await withJobs((jobs, job) => jobs.run(job, { onText: (text) => parts.push(text) }))
    expect(parts).toEqual(['grün', ' tea'])
    expect(output).toMatchObject({ text: 'grün tea' })
  })
})

describe('its failures are ours', () => {
  const cases: readonly (readonly [string, Handler, object])[] = [
    [
      'busy',
      (_, r) => json(r, { error: { message: 'full' } }, 429, { 'retry-after': '9' }),
      { code: 'BUSY', message: /full/, details: { retryAfterSeconds: 9 } },
    ],
    [
      'busy, with a date',
      (_, r) => json(r, {}, 429, { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }),
      { code: 'BUSY', details: { retryAfterSeconds: 1 } },
    ],
    [
      'our key',
      (_, r) => json(r, { error: { message: 'no' } }, 401),
      { code: 'UNAVAILABLE', remedy: /API key/ },
    ],
    [
      'bad input',
      (_, r) => json(r, { message: 'too\u001b[2J short' }, 400),
      { code: 'BAD_ARGUMENT', message: /too \[2J short/ },
    ],
    [
      'a bug of its',
      (_, r) => r.writeHead(500).end('<html>'),
      { code: 'UNAVAILABLE', message: /status 500/ },
    ],
    ['no JSON', (_, r) => r.writeHead(200).end('<html>'), { code: 'UNAVAILABLE', message: /no JSON/ }],
    ['another answer', (_, r) => json(r, { words: 'no' }), { code: 'UNAVAILABLE', message: /no transcript/ }],
    [
      'elsewhere',
      (_, r) => r.writeHead(307, { location: 'http://127.0.0.1:9/' }).end(),
      { code: 'UNREACHABLE' },
    ],
    ['hanging up', (_, r) => r.destroy(), { code: 'UNREACHABLE' }],
  ]
  it.each(cases)('%s', async (_, answer, expected) => {
    handle = answer
    await expect(withJobs((jobs, job) => jobs.run(job))).rejects.toMatchObject(
      Object.fromEntries(
        Object.entries(expected).map(([name, value]) => [
          name,
          value instanceof RegExp ? expect.stringMatching(value) : value,
        ]),
      ),
    )
  })

  it('an answer without end is cut off', async () => {
    let sent = 0
    handle = (_, response) => {
      const piece = Buffer.alloc(1 << 20, ' ')
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = (): void => {
        while (!response.destroyed && sent < 1024 && response.write(piece)) sent++
        sent++
        if (!response.destroyed && sent < 1024) response.once('drain', more)
        else response.end()
      }
      more()
    }
    await expect(withJobs((jobs, job) => jobs.run(job))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/exceeds/),
    })
    expect(sent).toBeLessThan(128)
  })

  it('one that never answers costs a job its time, and a client that goes away ends it', async () => {
    let closed = 0
    handle = (_, response) => {
      response.on('close', () => closed++)
    }
    await expect(withJobs((jobs, job) => jobs.run(job), { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
    const aborter = new AbortController()
    const asked = withJobs((jobs, job) => {
      const running = jobs.run(job, { signal: aborter.signal })
      setTimeout(() => aborter.abort(new Error('gone')), 100)
      return running
    })
    await expect(asked).rejects.toThrow('gone')
    for (let tries = 0; tries < 600 && closed < 2; tries++) await new Promise((tick) => setTimeout(tick, 50))
    expect(closed).toBe(2)
  })

  it('speech that is no sound, and vectors that are none', async () => {
    handle = (_, response) => json(response, { data: [{ embedding: 'no' }] })
    const speak = withJobs((jobs, job) => jobs.run(job), { task: 'speak' })
    await expect(speak).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const embed = () => withJobs((jobs, job) => jobs.run(job), { task: 'embed' })
    await expect(embed()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    // JSON could not say what it would be as a number of 32 bits.
    handle = (_, response) => json(response, { data: [{ embedding: [1, 1e300] }] })
    await expect(embed()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})
