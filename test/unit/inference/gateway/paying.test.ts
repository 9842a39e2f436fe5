/** What a request has cost is told where it fails, and not paid again: not by the official client's own repeating either. */
import OpenAI, { APIError } from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { UserError } from '../../../../src/errors.js'
import { DEFAULT_LIMITS, Gateway } from '../../../../src/inference/gateway/index.js'
import type { Job, JobAnswer, JobPayment } from '../../../../src/inference/job.js'
import { answerOf, ask, open, recording, tone } from './http-client.js'
import { ScriptedSource, served, untilCancelled } from './scripted-source.js'

const source = new ScriptedSource()
let gateway: Gateway
let receipts = 0

beforeAll(async () => {
  source.list = [served(), served({ id: 'words', sha256: 'cd'.repeat(32), task: 'embed', unit: 'request' })]
  gateway = await Gateway.start({ host: '127.0.0.1', port: 0 }, { source })
})
afterAll(() => gateway.stop())
beforeEach(() => {
  source.jobs.length = 0
})

const payment = (): JobPayment => ({
  provider: '16Uiu2abc',
  priceWei: 10n,
  units: 1,
  receiptDigest: String(receipts++),
})
const vector = (): JobAnswer => ({
  output: { kind: 'vector', values: Float32Array.of(1, 2, 2) },
  runSeconds: 0,
  payments: [payment()],
})
const busy = () => new UserError('full', { code: 'BUSY', details: { retryAfterSeconds: 1 } })
const textsOf = (jobs: readonly Job[]) =>
  jobs.map(({ input }) => (input.kind === 'text' ? input.text : undefined))
const client = (apiKey = 'none') => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey })

async function failure(asked: Promise<unknown>): Promise<APIError> {
  const error = await asked.catch((thrown: unknown) => thrown)
  if (!(error instanceof APIError)) throw new Error(`expected an error of the API, got ${String(error)}`)
  return error
}

describe('several jobs of one request', () => {
  const input = ['a', 'b', 'c', 'b']
  const embed = (openai: OpenAI, texts = input) => openai.embeddings.create({ model: 'words', input: texts })

  it('are not repeated by the client, and what was paid is told, and not paid again', async () => {
    source.answer = async () => {
      if (source.jobs.length === 3) throw busy()
      return vector()
    }
    const error = await failure(embed(client()))
    expect(textsOf(source.jobs)).toEqual(['a', 'b', 'c'])
    expect([error.status, error.code]).toEqual([429, 'busy'])
    expect(error.message).toMatch(
      /full; 0\.00000000000000002 ETH was paid for 2 units of it, and is not paid/,
    )
    expect(error.headers?.get('x-should-retry')).toBe('false')
    expect(error.headers?.get('x-plumbline-price-wei')).toBe('20')

    // Somebody else pays for their own.
    source.answer = async () => vector()
    await embed(client('another'), ['a'])
    expect(textsOf(source.jobs.slice(3))).toEqual(['a'])

    // A person repeats it: what failed and what was not reached is bought, nothing else, in the order of the texts.
    const { data } = await embed(client())
    expect(data.map(({ index }) => index)).toEqual([0, 1, 2, 3])
    expect(textsOf(source.jobs.slice(4))).toEqual(['c', 'b'])
    // It arrived: the next one is another request.
    await embed(client())
    expect(textsOf(source.jobs.slice(6))).toEqual(input)
  })

  it('nothing paid: the client may repeat what is busy', async () => {
    source.answer = async () => {
      if (source.jobs.length === 1) throw busy()
      return vector()
    }
    expect((await embed(client(), ['x'])).data).toHaveLength(1)
    expect(source.jobs).toHaveLength(2)
  })
})

describe('vectors', () => {
  const embed = (input: string, dimensions: number) =>
    client().embeddings.create({ model: 'words', input, dimensions, encoding_format: 'float' })

  it('are cut to fewer dimensions, and more are refused before they are paid', async () => {
    source.answer = async () => vector()
    const { data } = await embed('p', 2)
    const [first] = data
    for (const [i, value] of [1, 2].entries())
      expect(first?.embedding[i]).toBeCloseTo(value / Math.sqrt(5), 6)
    expect(first?.embedding).toHaveLength(2)
    expect(source.jobs).toHaveLength(1)
    const error = await failure(embed('q', 4))
    expect([error.status, error.param]).toEqual([400, 'dimensions'])
    expect(source.jobs).toHaveLength(1)
  })

  it('that are very wide are cut like others', async () => {
    source.answer = async () => ({
      ...vector(),
      output: { kind: 'vector', values: new Float32Array(262_144).fill(0.5) },
    })
    // From now on the model is known to be so wide.
    await client().embeddings.create({ model: 'words', input: 'whole' })
    const { data } = await embed('wide', 200_000)
    expect(data[0]?.embedding).toHaveLength(200_000)
    expect(data[0]?.embedding[0]).toBeCloseTo(1 / Math.sqrt(200_000), 9)
  })

  it('that no honest model gives are refused before the next is paid, and nothing is a bug', async () => {
    const answers = (...widths: readonly number[]) => {
      source.jobs.length = 0
      source.answer = async () => {
        const values = new Float32Array(widths[source.jobs.length - 1] ?? 0).fill(1)
        return { ...vector(), output: { kind: 'vector', values } }
      }
    }
    const several = (input: string[]) => client().embeddings.create({ model: 'words', input })
    answers(8, 8, 7, 8)
    const differing = await failure(several(['d1', 'd2', 'd3', 'd4']))
    expect([differing.status, differing.code]).toEqual([502, 'wrong_answer'])
    expect(differing.message).toMatch(/with 8 and with 7 dimensions; .* was paid for 3 units/)
    expect(source.jobs).toHaveLength(3)
    answers(262_144, 262_144)
    const wide = await failure(several(['w1', 'w2', 'w3', 'w4', 'w5']))
    expect([wide.status, wide.code]).toEqual([502, 'wrong_answer'])
    expect(wide.message).toMatch(/send fewer texts at once/)
    expect(source.jobs).toHaveLength(1)
  })

  it('fill the memory that is set aside like what was sent, until they are delivered', async () => {
    source.answer = async () => ({
      ...vector(),
      output: { kind: 'vector', values: new Float32Array(100_000) },
    })
    const small = await Gateway.start(
      { host: '127.0.0.1', port: 0, limits: { heldBytes: 1_000_000 } },
      { source },
    )
    try {
      const openai = new OpenAI({ baseURL: `${small.url}/v1`, apiKey: 'none', maxRetries: 0 })
      const error = await failure(openai.embeddings.create({ model: 'words', input: ['1', '2', '3'] }))
      expect([error.status, error.code]).toEqual([429, 'busy'])
      expect(error.message).toMatch(/was paid for 3 units of it, and is not paid again/)
      expect((await openai.embeddings.create({ model: 'words', input: '4' })).data).toHaveLength(1)
      for (let tries = 0; tries < 100 && small.heldBytes > 0; tries++)
        await new Promise((tick) => setTimeout(tick, 20))
      expect(small.heldBytes).toBe(0)
    } finally {
      await small.stop()
    }
  })

  it('of one request cost no more than one may, all together', async () => {
    const input = ['a', 'b', 'c', 'd']
    const [recogniser, words] = source.list
    if (recogniser === undefined || words === undefined) throw new Error('two models were served')
    const limited = async (priceWeiPerUnit: bigint) => {
      const list = [recogniser, { ...words, priceWeiPerUnit }]
      const offered = Object.assign(new ScriptedSource(), { list, jobs: source.jobs, answer: source.answer })
      const frugal = await Gateway.start(
        { host: '127.0.0.1', port: 0, maxPriceWei: 35n },
        { source: offered },
      )
      const openai = new OpenAI({ baseURL: `${frugal.url}/v1`, apiKey: 'none' })
      try {
        return await failure(openai.embeddings.create({ model: 'words', input }))
      } finally {
        await frugal.stop()
      }
    }
    // Four of 10 wei each are too much: nothing is bought.
    const error = await limited(10n)
    expect([error.status, error.code]).toEqual([402, 'price_limit'])
    expect(source.jobs).toHaveLength(0)
    // Whoever asks for more than was offered gets what is left.
    const most: (bigint | undefined)[] = []
    source.answer = async (_, { maxPriceWei = 0n }) => {
      most.push(maxPriceWei)
      if (maxPriceWei < 10n)
        throw new UserError('too dear', { code: 'DENIED', details: { haveWei: '5', needWei: '10' } })
      return vector()
    }
    expect((await limited(1n)).code).toBe('price_limit')
    expect(most).toEqual([35n, 25n, 15n, 5n])
  })
})

it('a piece of a recording that was paid is paid: what fails after it is not repeated', async () => {
  source.answer = async (_, { onPaid }) => {
    onPaid?.(payment())
    throw busy()
  }
  const { status, headers, error } = await ask(
    `${gateway.url}/v1/audio/transcriptions`,
    recording(tone(1), { stream: 'true' }),
  )
  expect([status, headers['x-should-retry'], headers['x-plumbline-price-wei']]).toEqual([429, 'false', '10'])
  // Pieces are not kept.
  expect(error.message).toMatch(/full; 0\.00000000000000001 ETH was paid for 1 unit of it$/)
})

it('what was paid to somebody whose answer was none is part of what an answer cost', async () => {
  source.answer = async (_, { onPaid }) => {
    const answer = vector()
    onPaid?.({ ...payment(), provider: '16Uiu2liar' })
    for (const each of answer.payments ?? []) onPaid?.(each)
    return answer
  }
  const { headers } = await ask(`${gateway.url}/v1/embeddings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'words', input: 'none' }),
  })
  expect(headers['x-plumbline-price-wei']).toBe('20')
  expect(headers['x-plumbline-provider']).toBe('16Uiu2liar, 16Uiu2abc')
})

describe('time', () => {
  it('ends before the official client gives up, which would ask again', async () => {
    let told: string | null = null
    const openai = new OpenAI({
      baseURL: `${gateway.url}/v1`,
      apiKey: 'none',
      fetch: (url, init) => {
        told = new Headers(init?.headers).get('x-stainless-timeout')
        return fetch(url, init)
      },
    })
    await openai.models.list({ timeout: 20_000 })
    expect(told).toBe('20')
    expect(DEFAULT_LIMITS.answerMs).toBeLessThanOrEqual(0.9 * openai.timeout)
    // One that waits for less says so, and is told in less.
    source.answer = untilCancelled
    const { body, headers, method } = recording(tone(1))
    const answer = await ask(`${gateway.url}/v1/audio/transcriptions`, {
      ...{ method: method ?? 'POST', body: body as Uint8Array },
      headers: { ...headers, 'x-stainless-timeout': '1' },
    })
    expect([answer.status, answer.error.code, answer.headers['x-should-retry']]).toEqual([
      504,
      'timeout',
      'false',
    ])
    expect(answer.error.message).toMatch(/within 0\.9 s/)
    expect(source.jobs).toHaveLength(1)
  })

  it('begins with the request: what took all of it to arrive is not bought', async () => {
    const hasty = await Gateway.start({ host: '127.0.0.1', port: 0, limits: { answerMs: 200 } }, { source })
    try {
      const { body, headers = {} } = recording(tone(1))
      const asked = open(`${hasty.url}/v1/audio/transcriptions`, { method: 'POST', headers })
      asked.write(body.subarray(0, 100))
      await new Promise((later) => setTimeout(later, 1000))
      asked.end(body.subarray(100))
      const { status, error } = await answerOf(asked)
      expect([status, error.code]).toEqual([504, 'timeout'])
      expect(source.jobs).toHaveLength(0)
    } finally {
      await hasty.stop()
    }
  })
})
