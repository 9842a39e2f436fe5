/** The server around the models: who is let in, what is refused, and that refusals cost little. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { UserError } from '../../../../src/errors.js'
import { ApiKeys, Gateway } from '../../../../src/inference/gateway/index.js'
import { silentFlac } from '../../../support/silent-flac.js'
import { answerOf, ask, form, open, raw, recording, type Sent, tone } from './http-client.js'
import { heard, ScriptedSource, served, untilCancelled } from './scripted-source.js'

const KEY = 'a-key-of-some-thirty-characters'
const MIB = 2 ** 20
const UPLOAD_BYTES = 2 * MIB
const LIMITS = {
  uploadBytes: UPLOAD_BYTES,
  heldBytes: 3 * MIB,
  soundSeconds: 5,
  requests: 3,
  answerMs: 60_000,
}
/** Long enough that a busy machine's own pauses are none of a client's. */
const SHORT_MS = 2_000

const source = new ScriptedSource()
let gateway: Gateway
let url: string
const transcribe = (sent: Sent = recording(tone(1))) => ask(`${url}/v1/audio/transcriptions`, sent)

beforeAll(async () => {
  gateway = await Gateway.start(
    { host: '127.0.0.1', port: 0, limits: LIMITS, corsOrigins: ['https://app.example'] },
    { source },
  )
  url = gateway.url
})
afterAll(() => gateway.stop())
beforeEach(() => {
  source.jobs.length = 0
  source.list = [served()]
  source.answer = async () => heard('hello')
})

async function eventually(check: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600 && !check(); tries++) await new Promise((tick) => setTimeout(tick, 50))
  expect(check()).toBe(true)
}

describe('who may ask', () => {
  it('with keys, whoever shows one of them; probes need none', async () => {
    const keys = new ApiKeys(['another-key-of-thirty-characters', KEY])
    const guarded = await Gateway.start({ host: '127.0.0.1', port: 0, keys }, { source })
    const models = (authorization?: string) =>
      ask(`${guarded.url}/v1/models`, authorization === undefined ? {} : { headers: { authorization } })
    try {
      const none = await models()
      expect(none.status).toBe(401)
      expect(none.error).toMatchObject({ type: 'authentication_error', code: 'missing_api_key', param: null })
      for (const wrong of [`Bearer ${KEY}x`, `Bearer ${KEY.slice(0, -1)}`, 'Bearer x'])
        expect((await models(wrong)).error).toMatchObject({ code: 'invalid_api_key' })
      expect((await models(`Basic ${KEY}`)).error).toMatchObject({ code: 'missing_api_key' })
      expect((await models(`Bearer ${KEY}`)).status).toBe(200)
      expect((await ask(`${guarded.url}/health`)).status).toBe(200)
      expect((await ask(`${guarded.url}/ready`)).status).toBe(200)
      expect((await ask(`${guarded.url}/metrics`)).status).toBe(401)
      // Where a path does not exist is nobody's business either.
      expect((await ask(`${guarded.url}/v1/nothing`)).status).toBe(401)
    } finally {
      await guarded.stop()
    }
  })

  it('away from loopback there are keys, or there is no server', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1'])
      await expect(Gateway.start({ host, port: 0 }, { source })).rejects.toMatchObject({ code: 'BAD_CONFIG' })
  })

  it('no page of the web: neither by its name (DNS rebinding) nor by its origin', async () => {
    const named = (host: string) => ask(`${url}/v1/models`, { headers: { host } })
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '192.168.1.2'])
      expect((await named(host)).error).toMatchObject({ code: 'host_not_allowed' })
    for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1', '[::1]:4030', 'app.localhost'])
      expect((await named(host)).status).toBe(200)

    const { headers, body } = recording(tone(1))
    const from = (origin: string) =>
      transcribe({ method: 'POST', body, headers: { ...headers, origin, 'sec-fetch-site': 'cross-site' } })
    for (const origin of ['https://evil.example', 'null', 'http://app.example'])
      expect((await from(origin)).error).toMatchObject({ code: 'origin_not_allowed' })
    expect(source.jobs).toHaveLength(0)
    const allowed = await from('https://app.example')
    expect(allowed.status).toBe(200)
    expect(allowed.headers['access-control-allow-origin']).toBe('https://app.example')
    const exposed = String(allowed.headers['access-control-expose-headers']).split(', ')
    // All that docs/gateway.md tells of beside an answer.
    for (const name of ['provider', 'run-seconds', 'price-wei', 'units', 'receipt', 'ignored'])
      expect(exposed).toContain(`x-plumbline-${name}`)
    expect(exposed).toEqual(expect.arrayContaining(['x-request-id', 'retry-after', 'x-should-retry']))
    const preflight = await ask(`${url}/v1/audio/speech`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-headers': 'authorization,x-stainless-os',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers['access-control-allow-headers']).toMatch(/x-stainless-os/)
    expect((await ask(`${url}/v1/models`)).headers['access-control-allow-origin']).toBeUndefined()
  })
})

describe('bodies', () => {
  it('a gigabyte that is announced is refused before it is sent', async () => {
    const headers = { ...recording(tone(1)).headers, 'content-length': String(2 ** 30) }
    const asked = open(`${url}/v1/audio/transcriptions`, { method: 'POST', headers })
    asked.flushHeaders()
    const { status, error } = await answerOf(asked)
    asked.destroy()
    expect(status).toBe(413)
    expect(error).toMatchObject({ code: 'body_too_large', type: 'invalid_request_error' })
    // Who reads it hangs up; that it was told stands in the metrics all the same.
    const counted = /requests_total\{route="\/v1\/audio\/transcriptions",status="413"\} [1-9]/
    await vi.waitFor(async () => expect((await ask(`${url}/metrics`)).text).toMatch(counted))
  })

  it('a client that asks first sends nothing that is too large', async () => {
    const headers = {
      ...recording(tone(1)).headers,
      'content-length': String(2 ** 30),
      expect: '100-continue',
    }
    const asked = open(`${url}/v1/audio/transcriptions`, { method: 'POST', headers })
    let continued = false
    asked.on('continue', () => {
      continued = true
    })
    asked.flushHeaders()
    expect((await answerOf(asked)).status).toBe(413)
    asked.destroy()
    expect(continued).toBe(false)
    const small = recording(tone(1))
    const polite = open(`${url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { ...small.headers, expect: '100-continue', 'content-length': String(small.body.length) },
    })
    polite.on('continue', () => polite.end(small.body))
    polite.flushHeaders()
    expect((await answerOf(polite)).status).toBe(200)
  })

  it('a gigabyte that is not announced is read to the limit, and no further', async () => {
    const { headers = {}, body } = recording(tone(1))
    const head = body.subarray(0, body.indexOf('RIFF') + 4)
    const asked = open(`${url}/v1/audio/transcriptions`, { method: 'POST', headers })
    const answered = answerOf(asked)
    let isOver = false
    const stop = (): void => {
      isOver = true
    }
    answered.then(stop, stop)
    asked.write(head)
    const piece = Buffer.alloc(MIB)
    let sentMib = 0
    for (; sentMib < 1024 && !isOver; sentMib++)
      if (!asked.write(piece))
        await new Promise<void>((resolve) => {
          asked.once('drain', resolve).once('close', resolve).once('error', resolve)
          answered.then(
            () => resolve(),
            () => resolve(),
          )
        })
    expect((await answered).error).toMatchObject({ code: 'body_too_large' })
    asked.destroy()
    // What the sockets hold, and what is discarded so that the answer arrives.
    expect(sentMib).toBeLessThan(128)
    expect(gateway.heldBytes).toBe(0)
  })

  it('all uploads together are bounded, too', async () => {
    source.answer = untilCancelled
    const big = recording(new Uint8Array([...tone(4, 16_000), ...new Uint8Array(1.5 * MIB)]))
    const first = open(`${url}/v1/audio/transcriptions`, big)
    first.on('error', () => undefined)
    first.end(big.body)
    await eventually(() => source.jobs.length === 1)
    expect(gateway.heldBytes).toBeGreaterThan(1.5 * MIB)
    const second = await transcribe(big)
    expect(second.status).toBe(429)
    expect(second.headers['retry-after']).toBe('1')
    first.destroy()
    await eventually(() => gateway.heldBytes === 0)
  })

  it('sound counts as it is decoded, beside the upload', async () => {
    source.answer = untilCancelled
    const roomy = { ...LIMITS, soundSeconds: 60 }
    const patient = await Gateway.start({ host: '127.0.0.1', port: 0, limits: roomy }, { source })
    try {
      // Eight bits become sixteen, and those once more in the job that leaves.
      const eightBits = Buffer.alloc(44 + 20 * 16_000, 128)
      eightBits.set(tone(1, 16_000).subarray(0, 44))
      for (const [at, value] of [
        [4, eightBits.length - 8],
        [28, 16_000],
        [40, eightBits.length - 44],
      ] as const)
        eightBits.writeUInt32LE(value, at)
      eightBits.writeUInt16LE(1, 32)
      eightBits.writeUInt16LE(8, 34)
      const sent = recording(eightBits)
      const asked = open(`${patient.url}/v1/audio/transcriptions`, sent)
      asked.on('error', () => undefined)
      asked.end(sent.body)
      await eventually(() => patient.heldBytes > eightBits.length + 2 * 2 * 20 * 16_000)
      await eventually(() => source.jobs.length === 1)
      // Its upload would fit.
      expect((await ask(`${patient.url}/v1/audio/transcriptions`, sent)).error).toMatchObject({
        code: 'busy',
      })
      expect(source.jobs).toHaveLength(1)
      asked.destroy()
      await eventually(() => patient.heldBytes === 0)
    } finally {
      await patient.stop()
    }
  })

  it('fields are taken as forms and their users write them', async () => {
    const words = { text: 'a', startSeconds: 0, endSeconds: 1, confidence: 1 }
    source.answer = async () => ({
      ...heard('a'),
      output: { kind: 'transcription', text: 'a', language: 'en', words: [words] },
    })
    expect((await transcribe(recording(tone(1), { language: '', response_format: '' }))).status).toBe(200)
    for (const stream of ['True', 'TRUE', 'yes', '1']) {
      const { headers } = await transcribe(recording(tone(1), { stream }))
      expect(headers['content-type']).toMatch(/event-stream/)
    }
    for (const stream of ['False', 'no', '']) {
      const { headers } = await transcribe(recording(tone(1), { stream }))
      expect(headers['content-type']).toBe('application/json')
    }
    const indexed = { response_format: 'verbose_json', 'timestamp_granularities[0]': 'word' }
    expect(JSON.parse((await transcribe(recording(tone(1), indexed))).text)).toMatchObject({
      words: [{ word: 'a' }],
    })
    const both = { ...indexed, 'timestamp_granularities[1]': 'segment' }
    expect(Object.keys(JSON.parse((await transcribe(recording(tone(1), both))).text))).toEqual(
      expect.arrayContaining(['words', 'segments']),
    )
  })

  it.each([
    [
      'no boundary',
      { method: 'POST', headers: { 'content-type': 'multipart/form-data' }, body: 'x' },
      'invalid_form',
    ],
    ['cut off', { ...recording(tone(1)), body: recording(tone(1)).body.subarray(0, 200) }, 'invalid_form'],
    [
      'no form',
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' },
      'unsupported_media_type',
    ],
    ['no file', form({ name: 'model', content: 'recogniser' }), 'missing_field'],
    ['no model', form({ name: 'file', fileName: 'a.wav', content: tone(1) }), 'missing_field'],
    [
      'two files',
      form(
        { name: 'model', content: 'recogniser' },
        { name: 'file', fileName: 'a.wav', content: tone(1) },
        { name: 'file', fileName: 'b.wav', content: tone(1) },
      ),
      'invalid_form',
    ],
    ['another file', form({ name: 'sound', fileName: 'a.wav', content: tone(1) }), 'unexpected_file'],
    [
      'a hundred parts',
      form(...Array.from({ length: 100 }, (_, i) => ({ name: `f${i}`, content: 'x' }))),
      'invalid_form',
    ],
    ['an unknown format', recording(tone(1), { response_format: 'yaml' }), 'invalid_value'],
    [
      'times without verbose_json',
      recording(tone(1), { 'timestamp_granularities[]': 'word' }),
      'invalid_value',
    ],
    [
      'a stream of subtitles',
      recording(tone(1), { stream: 'true', response_format: 'srt' }),
      'invalid_value',
    ],
    ['an unknown language', recording(tone(1), { language: 'de' }), 'unsupported_language'],
    ['an unknown model', recording(tone(1), { model: 'whisper-1' }), 'model_not_found'],
    ['noise', recording(new Uint8Array(2000).fill(7)), 'invalid_audio'],
    ['nothing', recording(new Uint8Array(0)), 'invalid_audio'],
    ['a cut-off WAV', recording(tone(1).subarray(0, 3001)), 'invalid_audio'],
    ['a tenth of a word', recording(tone(0.05)), 'invalid_audio'],
    ['too long a recording', recording(tone(6)), 'invalid_audio'],
    ['a minute in some kilobytes', recording(silentFlac(60)), 'invalid_audio'],
  ])('%s is refused in words', async (_, sent, code) => {
    const { status, error } = await transcribe(sent)
    expect([400, 404, 415]).toContain(status)
    expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
    expect(error).toMatchObject({ code, type: 'invalid_request_error' })
    expect(source.jobs).toHaveLength(0)
  })
})

describe('slow clients', () => {
  let gateway: Gateway
  let url: string
  beforeAll(async () => {
    const limits = { ...LIMITS, headersMs: SHORT_MS, idleMs: SHORT_MS }
    gateway = await Gateway.start({ host: '127.0.0.1', port: 0, limits }, { source })
    url = gateway.url
  })
  afterAll(() => gateway.stop())

  it('headers that drip are cut off', async () => {
    let timer: NodeJS.Timeout | undefined
    const answer = await raw(url, (send) => {
      send('POST /v1/audio/transcriptions HTTP/1.1\r\nhost: localhost\r\n')
      timer = setInterval(() => send('x-a: b\r\n'), 100)
    })
    clearInterval(timer)
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(answer).toMatch(
      /\{"error":\{"message":"[^"]+","type":"invalid_request_error","param":null,"code":"request_timeout"\}\}$/,
    )
  })

  it('a body that stops coming is, too, and others are served meanwhile', async () => {
    const { headers = {} } = recording(tone(1))
    const stalled = Array.from({ length: 2 }, () => {
      const asked = open(`${url}/v1/audio/transcriptions`, {
        method: 'POST',
        headers: { ...headers, 'content-length': '5000' },
      })
      asked.on('error', () => undefined)
      asked.write('--a-boundary\r\n')
      return answerOf(asked)
    })
    expect((await ask(`${url}/v1/audio/transcriptions`, recording(tone(1)))).status).toBe(200)
    for (const { status, error } of await Promise.all(stalled)) {
      expect(status).toBe(408)
      expect(error).toMatchObject({ code: 'request_timeout' })
    }
  })

  it('what is no HTTP gets an answer in its form, and no stack', async () => {
    const answer = await raw(url, (send) => send('EHLO mail.example\r\n\r\n'))
    expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"invalid_request"/)
  })

  it('headers beyond measure', async () => {
    const { status, error } = await ask(`${url}/v1/models`, { headers: { 'x-long': 'a'.repeat(20_000) } })
    expect(status).toBe(431)
    expect(error).toMatchObject({ code: 'headers_too_large' })
  })
})

describe('jobs', () => {
  it('what a client is told of a failure', async () => {
    const cases = [
      [new UserError('full', { code: 'BUSY', details: { retryAfterSeconds: 6.2 } }), 429, 'busy', '7'],
      [
        new UserError('too dear', { code: 'DENIED', details: { haveWei: '1', needWei: '2' } }),
        402,
        'price_limit',
        undefined,
      ],
      [new UserError('gone', { code: 'NOT_FOUND' }), 404, 'model_not_found', undefined],
      [new UserError('late', { code: 'TIMEOUT' }), 504, 'timeout', undefined],
      [new UserError('nobody', { code: 'UNREACHABLE' }), 503, 'unavailable', undefined],
      [new UserError('it cheated', { code: 'DENIED', remedy: 'name another' }), 503, 'not_bought', undefined],
      [new UserError('a wrong receipt', { code: 'VERIFICATION_FAILED' }), 502, 'provider_failed', undefined],
      [new UserError('garbage', { code: 'BAD_MESSAGE' }), 502, 'provider_failed', undefined],
      [
        new UserError('no chain', { code: 'BAD_CONFIG', remedy: 'set one' }),
        503,
        'not_configured',
        undefined,
      ],
      [new UserError('in use', { code: 'LOCKED' }), 503, 'not_configured', undefined],
      [new Error('a bug in /home/someone'), 500, 'internal_error', undefined],
    ] as const
    for (const [thrown, status, code, retryAfter] of cases) {
      source.answer = async () => {
        throw thrown
      }
      const answer = await transcribe()
      expect([answer.status, answer.error.code, answer.headers['retry-after']]).toEqual([
        status,
        code,
        retryAfter,
      ])
      // A client that repeats by itself might pay twice.
      expect(answer.headers['x-should-retry']).toBe(status >= 500 ? 'false' : undefined)
      expect(answer.text).not.toMatch(/someone/)
      if (thrown instanceof UserError) expect(answer.error.message).toBe(thrown.line)
      if (status === 500) expect(answer.error.message).toContain(answer.headers['x-request-id'])
    }
  })

  it('more at once than it takes are told to come again', async () => {
    source.answer = untilCancelled
    const asked = Array.from({ length: LIMITS.requests }, () => {
      const each = open(`${url}/v1/audio/transcriptions`, recording(tone(1)))
      each.on('error', () => undefined)
      each.end(recording(tone(1)).body)
      return each
    })
    await eventually(() => source.jobs.length === LIMITS.requests)
    const refused = await transcribe()
    expect(refused.status).toBe(429)
    expect(refused.error).toMatchObject({ type: 'rate_limit_error', code: 'busy' })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await ask(`${url}/health`)).status).toBe(200)
    for (const each of asked) each.destroy()
    await eventually(() => !gateway.isBusy)
    source.answer = async () => heard('again')
    expect((await transcribe()).status).toBe(200)
  })

  it('a client that goes away takes its job with it', async () => {
    let signal: AbortSignal | undefined
    source.answer = (job, options) => {
      signal = options.signal
      return untilCancelled(job, options)
    }
    const asked = open(`${url}/v1/audio/transcriptions`, recording(tone(1)))
    asked.on('error', () => undefined)
    asked.end(recording(tone(1)).body)
    await eventually(() => signal !== undefined)
    expect(signal?.aborted).toBe(false)
    asked.destroy()
    await eventually(() => signal?.aborted === true)
  })

  it('a job that takes too long ends', async () => {
    source.answer = untilCancelled
    const impatient = await Gateway.start(
      { host: '127.0.0.1', port: 0, limits: { answerMs: 200 } },
      { source },
    )
    try {
      const { status, error } = await ask(`${impatient.url}/v1/audio/transcriptions`, recording(tone(1)))
      expect([status, error.code]).toEqual([504, 'timeout'])
    } finally {
      await impatient.stop()
    }
  })

  it('a stream tells parts as they come, and a failure after them', async () => {
    source.answer = async (_, { onText }) => {
      onText?.('one')
      onText?.('two')
      throw new UserError('the provider went away', { code: 'UNAVAILABLE' })
    }
    const { status, text } = await transcribe(recording(tone(1), { stream: 'true' }))
    expect(status).toBe(200)
    const events = text
      .trim()
      .split('\n\n')
      .map((line) => JSON.parse(line.replace('data: ', '')))
    expect(events).toEqual([
      { type: 'transcript.text.delta', delta: 'one' },
      { type: 'transcript.text.delta', delta: ' two' },
      {
        error: { message: 'the provider went away', type: 'server_error', param: null, code: 'unavailable' },
      },
    ])
    // Before the first part, it has a status of its own.
    source.answer = async () => {
      throw new UserError('full', { code: 'BUSY' })
    }
    expect((await transcribe(recording(tone(1), { stream: 'true' }))).status).toBe(429)
  })

  it('says who heard it and what it cost, and which fields had no effect', async () => {
    source.answer = async () => ({
      ...heard('hello'),
      payments: [{ provider: '16Uiu2abc', priceWei: 12n, units: 3, receiptDigest: 'cd'.repeat(32) }],
    })
    const { headers } = await transcribe(recording(tone(3), { prompt: 'names', temperature: '0.2' }))
    expect(headers).toMatchObject({
      'x-plumbline-provider': '16Uiu2abc',
      'x-plumbline-price-wei': '12',
      'x-plumbline-units': '3',
      'x-plumbline-receipt': 'cd'.repeat(32),
      'x-plumbline-ignored': 'prompt, temperature',
      'x-plumbline-run-seconds': '0.250',
    })
  })

  it('sound leaves as one channel of whole samples, at 16 kHz or below', async () => {
    await transcribe(recording(tone(1, 8000)))
    await transcribe(recording(tone(1, 48_000)))
    // The same sound behind a chunk of words, which is for the decoder.
    const plain = Buffer.from(tone(1, 8000))
    const words = Buffer.from('LIST\x04\0\0\0INFO', 'latin1')
    const tagged = Buffer.concat([plain.subarray(0, 36), words, plain.subarray(36)])
    tagged.writeUInt32LE(tagged.length - 8, 4)
    await transcribe(recording(tagged))
    const inputs = source.jobs.map(({ input }) => input)
    expect(inputs).toMatchObject([
      { kind: 'sound', sampleRate: 8000 },
      { kind: 'sound', sampleRate: 16_000 },
      { kind: 'sound', sampleRate: 8000 },
    ])
    const lengths = inputs.map((input) => (input.kind === 'sound' ? input.pcm16.length : 0))
    expect(lengths).toEqual([16_000, 32_000, 16_000])
    // Nothing was done to what needed nothing: the samples of the file are those of the job.
    for (const input of [inputs[0], inputs[2]])
      if (input?.kind === 'sound') expect(Buffer.compare(input.pcm16, plain.subarray(44))).toBe(0)
  })
})

describe('routes', () => {
  it('those that no model can answer, and those that are none', async () => {
    for (const path of ['completions', 'chat/completions', 'images/generations', 'nlu/parse']) {
      const { status, error } = await ask(`${url}/v1/${path}`, { method: 'POST', body: '{}' })
      expect([path, status, error.code]).toEqual([path, 501, 'not_implemented'])
    }
    expect((await ask(`${url}/v1/nothing`)).error).toMatchObject({ code: 'unknown_url' })
    const wrong = await ask(`${url}/v1/audio/speech`)
    expect([wrong.status, wrong.headers.allow]).toEqual([405, 'POST'])
  })

  it('models that share a name are told apart, never chosen by price', async () => {
    const [one, two] = [
      served({ priceWeiPerUnit: 5n }),
      served({ sha256: 'cd'.repeat(32), priceWeiPerUnit: 1n }),
    ]
    source.list = [one, two, { ...one, ownedBy: 'another', priceWeiPerUnit: 3n }]
    // The list is a few seconds old at most.
    await new Promise((later) => setTimeout(later, 3100))
    const { data } = JSON.parse((await ask(`${url}/v1/models`)).text)
    expect(data).toMatchObject([
      { id: `recogniser@${'ab'.repeat(6)}`, owned_by: 'another', price_wei_per_unit: '3' },
      { id: `recogniser@${'cd'.repeat(6)}`, price_wei_per_unit: '1' },
    ])
    expect((await transcribe()).error).toMatchObject({ code: 'model_ambiguous', param: 'model' })
    for (const model of [`recogniser@${'cd'.repeat(6)}`, two.sha256, 'auto'])
      expect((await transcribe(recording(tone(1), { model }))).status).toBe(200)
    expect(source.jobs.map(({ model }) => model)).toEqual(Array(3).fill(two.sha256))
    const named = await ask(`${url}/v1/models/${encodeURIComponent(`recogniser@${'ab'.repeat(6)}`)}`)
    expect(JSON.parse(named.text)).toMatchObject({ sha256: one.sha256 })
  })

  it('a name means the files that have it here, and "auto" what is known here', async () => {
    const standing = { names: ['recogniser'], isNamesake: false }
    const known = served({ priceWeiPerUnit: 5n, standing })
    const squatter = served({ sha256: 'cd'.repeat(32), standing: { names: [], isNamesake: true } })
    source.list = [squatter, known]
    await new Promise((later) => setTimeout(later, 3100))
    const { data } = JSON.parse((await ask(`${url}/v1/models`)).text)
    expect(data).toMatchObject([
      { id: `recogniser@${'cd'.repeat(6)}`, known: false },
      { id: 'recogniser', known: true },
    ])
    for (const model of ['recogniser', 'auto'])
      expect((await transcribe(recording(tone(1), { model }))).status).toBe(200)
    expect(source.jobs.map(({ model }) => model)).toEqual([known.sha256, known.sha256])
    source.list = [squatter]
    await new Promise((later) => setTimeout(later, 3100))
    for (const model of ['recogniser', 'auto'])
      expect((await transcribe(recording(tone(1), { model }))).error).toMatchObject({
        code: 'model_not_found',
        message: expect.stringContaining(`recogniser@${'cd'.repeat(6)}`),
      })
    expect((await transcribe(recording(tone(1), { model: squatter.sha256 }))).status).toBe(200)
  })
})
