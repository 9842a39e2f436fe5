/**
 * Bodies that a gateway is sent: JSON and multipart forms, whole or broken. Each is answered as documented, none with an
 * internal error, and the server serves the next one. FUZZ_RUNS for more.
 */
import { IncomingMessage, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiError } from '../../src/inference/gateway/api-error.js'
import { type Incoming, Lease, readJson } from '../../src/inference/gateway/body.js'
import { Budget } from '../../src/inference/gateway/budget.js'
import { readForm } from '../../src/inference/gateway/form.js'
import { Gateway } from '../../src/inference/gateway/index.js'
import { hostileJson } from '../support/json-mutations.js'
import { applyEdits, edits, fewRuns } from '../support/mutations.js'
import { ask, recording, tone } from '../unit/inference/gateway/http-client.js'
import { ScriptedSource, served } from '../unit/inference/gateway/scripted-source.js'

const MOST_BYTES = 64 * 1024
const MOST_PIECES = 500
const limits = { mostBytes: MOST_BYTES, idleMs: 5_000 }
const MULTIPART = 'multipart/form-data; boundary=a-boundary'

/** A request whose body is there already, in pieces of the given size. */
function incoming(type: string, body: Uint8Array, pieceBytes: number): Incoming {
  const request = new IncomingMessage(new Socket())
  request.headers['content-type'] = type
  const step = Math.max(pieceBytes, Math.ceil(body.length / MOST_PIECES))
  for (let at = 0; at < body.length; at += step) request.push(body.subarray(at, at + step))
  request.push(null)
  return { request, response: {} as ServerResponse, lease: new Lease(new Budget(2 ** 20, 'bodies')) }
}

/** Reads, or is refused as a client is told: by a status of its own, in words. */
async function answered<T>(read: Promise<T>): Promise<T | 'refused'> {
  try {
    return await read
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    expect([400, 408, 413, 415, 429, 499]).toContain(error.status)
    expect(error.message.length).toBeLessThan(1000)
    return 'refused'
  }
}

const form = (fields: readonly (readonly [string, string])[], file: string) =>
  Buffer.from(
    [
      ...fields.map(
        ([name, value]) =>
          `--a-boundary\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
      ),
      `--a-boundary\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n${file}\r\n`,
      '--a-boundary--\r\n',
    ].join(''),
    'latin1',
  )
const FIELDS = [
  ['model', 'recogniser'],
  ['timestamp_granularities[]', 'word'],
] as const
const whole = form(FIELDS, 'RIFF')

const text = fc.oneof(
  fc.constantFrom(
    '__proto__',
    'constructor',
    'a[]',
    '[]',
    '"',
    '\r\n',
    '\u0000',
    'x'.repeat(70_000),
    'x'.repeat(300),
  ),
  fc.string({ unit: 'binary', maxLength: 60 }),
)
const hostileForm = fc.oneof(
  edits.map((list) => applyEdits(whole, list)),
  fc
    .tuple(fc.array(fc.tuple(text, text), { maxLength: 6 }), text)
    .map(([fields, file]) => new Uint8Array(form(fields, file))),
  fc.constantFrom(80, 200).map(
    (count) =>
      new Uint8Array(
        form(
          Array.from({ length: count }, () => ['x', 'y']),
          '',
        ),
      ),
  ),
  fc.uint8Array({ maxLength: 200 }),
)
const pieceBytes = fc.constantFrom(1, 7, 64, MOST_BYTES)

const SPEECH = { model: 'voice', input: 'say it', response_format: 'wav', speed: 1.5 }
const EMBEDDINGS = { model: 'vectors', input: ['one', 'two'], encoding_format: 'float', dimensions: 3 }

describe('a body', () => {
  it('of JSON is read as an object, or refused', async () => {
    let taken = 0
    await fc.assert(
      fc.asyncProperty(hostileJson(SPEECH), fc.integer({ min: 16, max: MOST_BYTES }), async (json, size) => {
        const read = await answered(readJson(incoming('application/json', Buffer.from(json), size), limits))
        if (read === 'refused') return
        taken++
        expect(typeof read === 'object' && read !== null && !Array.isArray(read)).toBe(true)
      }),
      { numRuns: fewRuns(0.1) },
    )
    expect(taken).toBeGreaterThan(0)
  })

  it('of a form is read with its fields, or refused', async () => {
    const read = await answered(readForm(incoming(MULTIPART, whole, 7), limits))
    expect(read).toEqual({
      fields: { model: 'recogniser', timestamp_granularities: ['word'] },
      file: Buffer.from('RIFF'),
    })
    const nameless = Buffer.from(String(Buffer.from(whole)).replace('name="model"', 'nome="model"'))
    expect(await answered(readForm(incoming(MULTIPART, nameless, 7), limits))).toBe('refused')
    await fc.assert(
      fc.asyncProperty(hostileForm, pieceBytes, async (body, size) => {
        const found = await answered(readForm(incoming(MULTIPART, body, size), limits))
        if (found === 'refused') return
        expect(Object.getPrototypeOf(found.fields)).toBe(Object.prototype)
        for (const value of Object.values(found.fields).flat()) expect(typeof value).toBe('string')
      }),
      { numRuns: fewRuns(0.1) },
    )
  })

  it('of a form may name any boundary, or none', async () => {
    await fc.assert(
      fc.asyncProperty(text, hostileForm, async (boundary, body) => {
        await answered(readForm(incoming(`multipart/form-data; boundary=${boundary}`, body, 64), limits))
        await answered(readForm(incoming(`multipart/form-data${boundary}`, body, 64), limits))
      }),
      { numRuns: fewRuns(0.02) },
    )
  })
})

describe('a gateway', () => {
  const source = new ScriptedSource()
  let gateway: Gateway
  beforeAll(async () => {
    source.list = [
      served(),
      served({ id: 'voice', sha256: 'cd'.repeat(32), task: 'speak', unit: '1000-characters' }),
      served({ id: 'vectors', sha256: 'ef'.repeat(32), task: 'embed', unit: '1000-characters' }),
    ]
    source.answer = async ({ task }) => ({
      output:
        task === 'speak'
          ? { kind: 'speech', sampleRate: 24_000, pcm16: new Uint8Array(4) }
          : task === 'embed'
            ? { kind: 'vector', values: Float32Array.of(1, 2, 3) }
            : { kind: 'transcription', text: 'hello', language: 'en', words: [] },
      runSeconds: 0.1,
    })
    gateway = await Gateway.start({ host: '127.0.0.1', port: 0 }, { source })
  })
  afterAll(() => gateway.stop())

  it('answers whatever it is sent with what the sender can act on', async () => {
    const genuine = recording(tone(0.1))
    const { body, headers = {} } = genuine
    const json = (document: object, path: string) =>
      hostileJson(document).map((content) => ({
        path,
        body: Buffer.from(content),
        headers: { 'content-type': 'application/json' },
      }))
    const upload = (path: string) =>
      fc
        .oneof(
          edits.map((list) => applyEdits(body, list)),
          hostileForm,
        )
        .map((content) => ({ path, body: Buffer.from(content), headers }))
    const sent = fc.oneof(
      json(SPEECH, 'audio/speech'),
      json(EMBEDDINGS, 'embeddings'),
      upload('audio/transcriptions'),
      upload('audio/translations'),
    )
    expect((await ask(`${gateway.url}/v1/audio/transcriptions`, genuine)).status).toBe(200)
    await fc.assert(
      fc.asyncProperty(sent, async ({ path, ...request }) => {
        const { status } = await ask(`${gateway.url}/v1/${path}`, { method: 'POST', ...request })
        expect(status === 200 || (status >= 400 && status < 500)).toBe(true)
      }),
      { numRuns: fewRuns(0.01) },
    )
    expect((await ask(`${gateway.url}/v1/models`)).status).toBe(200)
  })
})
