/** A server behind a provider: a small HTTP server that answers as OpenAI's does, and what the provider makes of it. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import type { LocalJobs } from '../../../../src/inference/local/local-jobs.js'
import { encodeInput, encodeTerms } from '../../../../src/inference/network/job-codec.js'
import { JOB_MESSAGE } from '../../../../src/inference/network/messages.js'
import { readOffer } from '../../../../src/inference/network/offer.js'
import { priceList } from '../../../../src/inference/provider/price-list.js'
import { Provider } from '../../../../src/inference/provider/provider.js'
import { SoldJobs } from '../../../../src/inference/provider/sold-jobs.js'
import { UpstreamJobs } from '../../../../src/inference/upstream/upstream-jobs.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { Pipe } from '../client/shop.js'
import { heard, served } from '../gateway/scripted-source.js'

const NAME = 'openai/whisper-large-v3'
const OWN = 'cd'.repeat(32)
let server: Server
let baseUrl = ''
beforeEach(async () => {
  server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    const answer =
      request.url === '/v1/models' ? { data: [{ id: NAME }, { id: 'other' }] } : { text: 'from afar' }
    request.resume().on('end', () => response.end(JSON.stringify(answer)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
})
afterEach(() => new Promise((resolve) => server.close(resolve)))

const local = {
  models: async () => [served({ id: 'own', sha256: OWN })],
  run: async () => heard('from here'),
  length: 1,
  retryAfterSeconds: 1,
  pause: () => undefined,
  resume: () => undefined,
  close: async () => undefined,
} as unknown as LocalJobs
const tasks = new Map([[NAME, 'transcribe' as const]])
const soldJobs = (names = [NAME]) =>
  new SoldJobs(local, { jobs: new UpstreamJobs({ baseUrl, tasks }), names })
const input = { kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(32_000) } as const

async function open(jobs: SoldJobs) {
  const pipe = new Pipe(Identity.generate())
  const prices = priceList(['own=0 wei', `${NAME}=0 wei`])
  const host = Object.assign(pipe, { addresses: () => [] }) as unknown as Host
  const terms = { nonCommercial: undefined, queue: 8, jobsPerClient: 8, keptSeconds: 0 }
  const provider = new Provider(
    { prices, ...terms },
    { host, signer: Identity.generate(), jobs, log: silentLogger },
  )
  await provider.start()
  const offer = () => readOffer(provider.offer())
  const ask = (model: Uint8Array, audit: boolean) =>
    pipe.request('', JOB_MESSAGE, {
      jobId: new Uint8Array(32),
      model,
      terms: encodeTerms({ task: 'transcribe', unit: 'audio-second', units: 2, priceWeiPerUnit: 0n, audit }),
      input: encodeInput(input),
    })
  return { offer, ask }
}

describe('a server behind a provider', () => {
  it('is offered as what nobody can audit, and sells no job that counts on audits', async () => {
    const jobs = soldJobs()
    const { offer, ask } = await open(jobs)
    const [own, far] = offer().models
    expect(own).toMatchObject({ id: 'own' })
    expect(own?.unaudited).toBeUndefined()
    expect(far).toMatchObject({ id: 'openai-whisper-large-v3', unaudited: true })
    if (own === undefined || far === undefined) throw new Error('too few models')
    expect(await ask(far.sha256, true)).toMatchObject({ kind: 'refused', code: 'DENIED' })
    expect(await ask(far.sha256, false)).toMatchObject({ kind: 'output' })
    expect(await ask(own.sha256, true)).toMatchObject({ kind: 'output' })
    await jobs.close()
  })

  it('is not sent what it was not said to sell, and sends nothing on while the line is needed', async () => {
    await expect(soldJobs(['other']).models()).rejects.toThrow(/no model other whose task is known/)
    const jobs = soldJobs()
    const model = (await jobs.models()).find(({ isUnaudited }) => isUnaudited)
    const job = { task: 'transcribe', model: model?.sha256 ?? '', input, parameters: {} } as const
    jobs.pause()
    let isDone = false
    const running = jobs.run(job, {}).then((answer) => {
      isDone = true
      return answer
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect([isDone, jobs.length]).toEqual([false, 2])
    jobs.resume()
    expect((await running).output).toMatchObject({ text: 'from afar' })
    expect((await jobs.run({ ...job, model: OWN }, {})).output).toMatchObject({ text: 'from here' })
    await jobs.close()
  })
})

it('an offer tells what the last jobs took, and how many are under way', async () => {
  const { offer, ask } = await open(soldJobs())
  const [own] = offer().models
  expect(own?.runMsPerSecond).toBeUndefined()
  expect(offer().underWay).toBe(1)
  // A quarter of a second for two.
  if (own !== undefined) await ask(own.sha256, true)
  expect(offer().models[0]?.runMsPerSecond).toBe(125)
})
