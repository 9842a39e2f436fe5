/**
 * The gateway as apps use it: the official `openai` client, real models, and once more through a second gateway whose
 * upstream is the first. The recogniser is the one of the package; voice, translator, identifier and text model are the
 * golden cases' tiny checkpoints, whose answers are compared with the same jobs run without HTTP.
 */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI, { APIError, toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCard, type Task } from '../../src/inference/catalogue/card.js'
import { Catalogue } from '../../src/inference/catalogue/catalogue.js'
import { Gateway, readApiKeys } from '../../src/inference/gateway/index.js'
import type { JobAnswer, JobInput, JobSource, SoundInput } from '../../src/inference/job.js'
import { LocalJobs } from '../../src/inference/local/local-jobs.js'
import { UpstreamJobs } from '../../src/inference/upstream/upstream-jobs.js'
import { decodeMono } from '../../src/ml/audio/decode.js'
import { pcm16Of } from '../../src/ml/audio/pcm16.js'
import { readWav } from '../../src/ml/audio/wav-read.js'
import { longRecording } from '../support/long-recording.js'
import { firstCase } from '../unit/models/checkpoint-copies.js'
import { ensureBuilt, shows, start } from './cli-process.js'

const KEY = 'an-api-key-for-the-tests-alone'
const SPOKEN = 'test/fixtures/speech/accept-this-call.wav'
const GOLDEN = { voice: '10a', translator: '11a', identifier: '04', words: '08' } as const

let home: string
let local: LocalJobs
let upstream: UpstreamJobs
/** Called when a part of a transcript has left the models. */
let onPart = (): void => undefined
const gateways: Gateway[] = []
const clients: Record<string, OpenAI> = {}

const clientOf = (gateway: Gateway, apiKey: string): OpenAI =>
  new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 })

beforeAll(async () => {
  ensureBuilt()
  home = await mkdtemp(join(tmpdir(), 'plumbline-gateway-'))
  const catalogue = await Catalogue.open(home)
  for (const [name, number] of Object.entries(GOLDEN))
    await catalogue.add(await readCard(firstCase(number).folder, name))
  const keyFile = join(home, 'keys.txt')
  await writeFile(keyFile, `# for the tests\n${KEY}\n`, { mode: 0o600 })
  // A loaded machine has no time for a niced model.
  local = await LocalJobs.open({ dataDir: home, niceness: 0 })
  const options = { host: '127.0.0.1', port: 0, aliases: new Map([['whisper-1', 'asr-small']]) }
  const source: JobSource = {
    models: () => local.models(),
    run: (job, { onText, ...more } = {}) => {
      const told = (text: string): void => {
        onText?.(text)
        onPart()
      }
      return local.run(job, onText === undefined ? more : { ...more, onText: told })
    },
    close: () => local.close(),
  }
  const first = await Gateway.start({ ...options, keys: await readApiKeys(keyFile) }, { source })
  gateways.push(first)
  upstream = new UpstreamJobs({ baseUrl: `${first.url}/v1`, apiKey: KEY })
  gateways.push(await Gateway.start(options, { source: upstream }))
  clients.local = clientOf(first, KEY)
  clients.upstream = clientOf(gateways[1] as Gateway, 'no key is asked for')
}, 300_000)
afterAll(async () => {
  for (const gateway of gateways.reverse()) await gateway.stop()
  await upstream?.close()
  await local?.close()
  await rm(home, { recursive: true, force: true })
})

const recording = () => toFile(readFileSync(SPOKEN), 'accept-this-call.wav')
const soundOf = (bytes: Uint8Array): SoundInput => {
  const { sampleRate, channels } = readWav(bytes)
  return { kind: 'sound', sampleRate, pcm16: pcm16Of(channels[0] ?? new Float32Array()) }
}

/** The same job without HTTP. */
async function direct(name: string, task: Task, input: JobInput): Promise<JobAnswer['output']> {
  const model = (await local.models()).find(({ id }) => id === name)
  const job = { task, model: model?.sha256 ?? '', input, parameters: {} }
  return (await local.run(job)).output
}

async function failure(asked: Promise<unknown>): Promise<APIError> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof APIError)) throw new Error(`expected an error of the API, got ${String(error)}`)
  return error
}

describe.each(['local', 'upstream'])('the official client, %s', (kind) => {
  let openai: OpenAI
  beforeAll(() => {
    openai = clients[kind] as OpenAI
  })

  it('lists models, and describes one', async () => {
    const { data } = await openai.models.list()
    expect(data.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['asr-small', 'identifier', 'translator', 'voice', 'words']),
    )
    const model = await openai.models.retrieve('asr-small')
    expect(model).toMatchObject({ id: 'asr-small', object: 'model', task: 'transcribe', languages: ['en'] })
    expect(await openai.models.retrieve('whisper-1')).toEqual(model)
    expect(await failure(openai.models.retrieve('gpt/nothing'))).toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
      type: 'invalid_request_error',
    })
  })

  it('transcriptions: json, text, srt, vtt, verbose_json, stream', async () => {
    const file = await recording()
    const create = openai.audio.transcriptions.create.bind(openai.audio.transcriptions)
    const model = 'asr-small'
    const { text, usage } = await create({ file, model, language: 'en' })
    expect(text).toMatch(/^please press one to accept this /)
    const seconds = soundOf(readFileSync(SPOKEN)).pcm16.length / 2 / soundOf(readFileSync(SPOKEN)).sampleRate
    expect(usage).toEqual({ type: 'duration', seconds: Math.ceil(seconds) })
    expect(await create({ file, model: 'whisper-1', response_format: 'text' })).toBe(`${text}\n`)
    expect(await create({ file, model, response_format: 'srt' })).toMatch(
      /^1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\nplease press one /,
    )
    expect(await create({ file, model, response_format: 'vtt' })).toMatch(
      /^WEBVTT\n\n00:00:0\d\.\d{3} --> 00:00:0\d\.\d{3}\nplease press one /,
    )
    const verbose = await create({
      file,
      model,
      response_format: 'verbose_json',
      timestamp_granularities: ['word', 'segment'],
    })
    expect(verbose).toMatchObject({ text, language: 'en', task: 'transcribe' })
    expect(verbose.duration).toBeCloseTo(seconds, 3)
    expect(verbose.words?.map(({ word }) => word).join(' ')).toBe(text)
    expect(verbose.segments?.map((segment) => segment.text).join(' ')).toBe(text)
    for (const { start, end } of verbose.words ?? []) expect(end).toBeGreaterThan(start)
    for (const { avg_logprob } of verbose.segments ?? []) expect(avg_logprob).toBeLessThan(0)
    const segments = await create({ file, model, response_format: 'verbose_json' })
    expect(segments.words).toBeUndefined()

    let streamed = ''
    let done = ''
    for await (const event of await create({ file, model, stream: true })) {
      if (event.type === 'transcript.text.delta') streamed += event.delta
      if (event.type === 'transcript.text.done') done = event.text
    }
    expect([streamed, done]).toEqual([text, text])
  })

  it('streams a long recording while it is still being heard', { timeout: 300_000 }, async () => {
    // Several pieces of the model.
    const file = await toFile(longRecording(24), 'long.wav')
    const model = 'asr-small'
    let parts = 0
    // The model stands still from its first words on, until they have arrived.
    onPart = () => {
      if (parts++ === 0) local.pause()
    }
    try {
      const deltas: string[] = []
      let done = ''
      for await (const event of await openai.audio.transcriptions.create({ file, model, stream: true })) {
        if (event.type === 'transcript.text.done') done = event.text
        if (event.type !== 'transcript.text.delta') continue
        deltas.push(event.delta)
        if (deltas.length > 1) continue
        expect([local.length, done]).toEqual([1, ''])
        local.resume()
      }
      expect(deltas.length).toBeGreaterThan(2)
      expect(deltas.join('')).toBe(done)
      expect((await openai.audio.transcriptions.create({ file, model })).text).toBe(done)
    } finally {
      onPart = () => undefined
      local.resume()
    }
  })

  it('translations, and the language of a recording', async () => {
    const bytes = readFileSync(SPOKEN)
    const translated = await openai.audio.translations.create({
      file: await recording(),
      model: 'translator',
    })
    const expected = await direct('translator', 'translate', soundOf(bytes))
    expect({ kind: 'translation', text: translated.text }).toEqual(expected)
    const subtitles = await openai.audio.translations.create({
      file: await recording(),
      model: 'translator',
      response_format: 'srt',
    })
    expect(subtitles).toMatch(/^1\n00:00:00,000 --> /)

    const form = new FormData()
    form.set('file', new Blob([new Uint8Array(bytes)]), 'a.wav')
    const heard = await openai.post<{ language: string; languages: object[] }>('/audio/language', {
      body: form,
    })
    const labels = await direct('identifier', 'identify', soundOf(bytes))
    const [first] = labels.kind === 'labels' ? labels.labels : []
    expect(heard.language).toBe(first?.label)
    expect(heard.languages).toHaveLength(5)
  })

  it('speech as wav and pcm, slower where it should be', async () => {
    const input = 'the cat is on the mat'
    const say = async (more: Partial<OpenAI.Audio.SpeechCreateParams>): Promise<Buffer> => {
      const made = await openai.audio.speech.create({ model: 'voice', voice: 'alloy', input, ...more })
      return Buffer.from(await made.arrayBuffer())
    }
    const wav = soundOf(await say({ response_format: 'wav' }))
    const expected = await direct('voice', 'speak', { kind: 'text', text: input })
    expect(expected.kind === 'speech' && Buffer.compare(wav.pcm16, expected.pcm16) === 0).toBe(true)
    const slow = soundOf(await say({ response_format: 'wav', speed: 0.5 }))
    expect(slow.pcm16.length).toBeGreaterThan(1.3 * wav.pcm16.length)
    const flac = await decodeMono(await say({ response_format: 'flac' }), () => undefined)
    expect(flac.sampleRate).toBe(wav.sampleRate)
    expect(Buffer.compare(pcm16Of(flac.samples), wav.pcm16)).toBe(0)
    // Bare samples are always at OpenAI's rate.
    const pcm = await say({ response_format: 'pcm' })
    expect(pcm.length / 2 / 24_000).toBeCloseTo(wav.pcm16.length / 2 / wav.sampleRate, 2)
    expect(await failure(say({ response_format: 'mp3' }))).toMatchObject({
      status: 400,
      code: 'unsupported_format',
      param: 'response_format',
    })
    expect(await failure(say({ input: '' }))).toMatchObject({ status: 400, param: 'input' })
  })

  it('embeddings of one text and of several, as numbers and as base64', async () => {
    const input = ['a sentence', 'another one']
    // The client asks for base64 and decodes it unless it is told to ask for numbers.
    const { data } = await openai.embeddings.create({ model: 'words', input })
    expect(data.map(({ index }) => index)).toEqual([0, 1])
    const numbers = await openai.embeddings.create({ model: 'words', input, encoding_format: 'float' })
    for (const [i, { embedding }] of data.entries()) {
      const expected = await direct('words', 'embed', { kind: 'text', text: input[i] ?? '' })
      const values = expected.kind === 'vector' ? [...expected.values] : []
      expect(embedding).toEqual(values)
      expect(numbers.data[i]?.embedding).toEqual(values)
    }
    const cut = await openai.embeddings.create({ model: 'words', input: 'x', dimensions: 3 })
    expect(cut.data[0]?.embedding).toHaveLength(3)
    expect(Math.hypot(...(cut.data[0]?.embedding ?? []))).toBeCloseTo(1, 5)
    const wrong = openai.embeddings.create({ model: 'words', input: 'x', dimensions: 100_000 })
    expect(await failure(wrong)).toMatchObject({ status: 400, param: 'dimensions' })
    expect(await failure(openai.embeddings.create({ model: 'asr-small', input }))).toMatchObject({
      status: 400,
      code: 'model_unsuitable',
    })
  })

  it('error objects', async () => {
    const file = await toFile(new Uint8Array(1000), 'noise.wav')
    const noise = await failure(openai.audio.transcriptions.create({ file, model: 'asr-small' }))
    expect(noise).toBeInstanceOf(OpenAI.BadRequestError)
    expect(noise).toMatchObject({ code: 'invalid_audio', param: 'file', type: 'invalid_request_error' })
    expect(noise.requestID).toMatch(/^[0-9a-f-]{36}$/)
    expect(Object.keys(noise.error as object).sort()).toEqual(['code', 'message', 'param', 'type'])
    const images = await failure(openai.images.generate({ prompt: 'a cat' }))
    expect(images).toMatchObject({ status: 501, code: 'not_implemented' })
  })
})

describe('upstream', () => {
  it('its errors are passed on as ours', async () => {
    const [first] = gateways
    const stranger = new UpstreamJobs({ baseUrl: `${first?.url}/v1`, apiKey: 'some-other-key-of-no-use' })
    await expect(stranger.models()).rejects.toMatchObject({ code: 'UNAVAILABLE', message: /not known here/ })
    await stranger.close()
    const nobody = new UpstreamJobs({ baseUrl: 'http://127.0.0.1:9/v1' })
    await expect(nobody.models()).rejects.toMatchObject({ code: 'UNREACHABLE' })
    await nobody.close()
    const wrong = clientOf(first as Gateway, 'a-wrong-key')
    expect(await failure(wrong.models.list())).toBeInstanceOf(OpenAI.AuthenticationError)
  })
})

describe('plumbline gateway', () => {
  it('says who hears it, answers, and stops on a signal', async () => {
    const running = start(['gateway', '--local', '--listen', '127.0.0.1:0', '--models', 'asr-small'], {
      env: { PLUMBLINE_DATA_DIR: home },
    })
    try {
      const [, baseURL] = await shows(
        running,
        /base URL\s+(http:\/\/127\.0\.0\.1:\d+\/v1)[\s\S]*Try it/,
        120_000,
      )
      expect(running.stdout).toMatch(/heard by\s+this machine alone; nothing is kept/)
      const openai = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 })
      expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['asr-small'])
    } finally {
      running.child.kill('SIGTERM')
    }
    expect(await running.exit).toBe(0)
  })
})
