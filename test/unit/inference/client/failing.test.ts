/** Buying over real connections where a provider hangs: it is left after its time, and asked after the others from then on. */
import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import { Conduct } from '../../../../src/inference/client/conduct.js'
import { NetworkJobs } from '../../../../src/inference/client/network-jobs.js'
import type { Job } from '../../../../src/inference/job.js'
import type { LocalJobs } from '../../../../src/inference/local/local-jobs.js'
import { JOB_MESSAGE, OFFER_MESSAGE } from '../../../../src/inference/network/messages.js'
import { signOffer } from '../../../../src/inference/network/offer.js'
import { priceList } from '../../../../src/inference/provider/price-list.js'
import { Provider } from '../../../../src/inference/provider/provider.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { addressOf, startHost } from '../../p2p/hosts.js'
import { heard, served } from '../gateway/scripted-source.js'

const MODEL = 'ab'.repeat(32)
const job: Job = {
  task: 'transcribe',
  model: MODEL,
  input: { kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(1600) },
  parameters: {},
}

/** Takes jobs, and does none of them: never answers, or blames them. */
async function startHostile(kind: 'hangs' | 'blames') {
  const identity = Identity.generate()
  const host = await startHost({}, identity)
  const model = {
    id: 'recogniser',
    sha256: hexToBytes(MODEL),
    task: 'transcribe' as const,
    languages: ['en'],
    unit: 'audio-second' as const,
    priceWeiPerUnit: 0n,
  }
  const content = { addresses: [], models: [model], queue: 8, keptSeconds: 0, audited: true }
  await host.handle(OFFER_MESSAGE, async () => ({ offer: signOffer(identity, content, Date.now()) }))
  const asked = { times: 0, cancelled: 0 }
  const handler = (_: unknown, __: unknown, signal: AbortSignal): Promise<never> => {
    asked.times++
    if (kind === 'blames')
      return Promise.resolve({ kind: 'refused', code: 'BAD_ARGUMENT', message: 'no such sound' } as never)
    return new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => {
        asked.cancelled++
        reject(signal.reason)
      }),
    )
  }
  await host.handle(JOB_MESSAGE, handler, { isCancelled: true })
  return { host, identity, asked }
}

async function startHonest(refusal?: UserError) {
  const signer = Identity.generate()
  const host = await startHost({}, signer)
  const jobs = {
    models: async () => [served({ sha256: MODEL })],
    run: async () => {
      if (refusal !== undefined) throw refusal
      return heard('hello')
    },
    length: 0,
    retryAfterSeconds: 1,
  } as unknown as LocalJobs
  const terms = { nonCommercial: undefined, queue: 8, jobsPerClient: 8, keptSeconds: 0 }
  const prices = priceList(['recogniser=0 wei'])
  const provider = new Provider({ prices, ...terms }, { host, signer, jobs, log: silentLogger })
  await provider.start()
  return host
}

describe('two providers that hang, before one that does not', () => {
  it('cost one job their time, and the next none', async () => {
    const hanging = [await startHostile('hangs'), await startHostile('hangs')]
    const honest = await startHonest()
    const liked = new Set(hanging.map(({ identity }) => identity.peerId))
    const client = await startHost({ listen: [] })
    const jobs = new NetworkJobs(
      { providers: [...hanging.map(({ host }) => host), honest].map(addressOf), exposureWei: 0n },
      {
        host: client,
        log: silentLogger,
        knownModels: async () => new KnownModels([]),
        // No rest is over before the test is.
        // Far beyond what the honest one takes on a busy machine; and no rest is over before the test is.
        conduct: new Conduct({ patienceMs: 4_000, now: () => 0 }),
        // Of equal price, whose work was found good comes first: that of those who hang.
        audits: {
          isTimely: () => true,
          keep: () => undefined,
          isAvoided: () => false,
          goodFindings: (peerId) => (liked.has(peerId) ? 100 : 0),
        },
      },
    )
    jobs.start()
    const [first] = await jobs.describe(job)
    expect(liked.has(first?.provider ?? '')).toBe(true)
    for (let i = 0; i < 3; i++)
      expect((await jobs.run(job)).output).toMatchObject({ kind: 'transcription', text: 'hello' })
    expect(hanging.map(({ asked }) => asked.times)).toEqual([1, 1])
    // A job that is given up is cancelled there.
    await expect.poll(() => hanging.map(({ asked }) => asked.cancelled), { timeout: 60_000 }).toEqual([1, 1])
    await jobs.close()
  })
})

describe('a provider that finds every job amiss', () => {
  const clientOf = async (hosts: readonly Host[], liked: string) => {
    const jobs = new NetworkJobs(
      { providers: hosts.map(addressOf), exposureWei: 0n },
      {
        host: await startHost({ listen: [] }),
        log: silentLogger,
        knownModels: async () => new KnownModels([]),
        conduct: new Conduct({ now: () => 0 }),
        audits: {
          isTimely: () => true,
          keep: () => undefined,
          isAvoided: () => false,
          goodFindings: (peerId) => (peerId === liked ? 100 : 0),
        },
      },
    )
    jobs.start()
    return jobs
  }

  it('is not believed: others are asked, and then before it', async () => {
    const blaming = await startHostile('blames')
    const jobs = await clientOf([blaming.host, await startHonest()], blaming.identity.peerId)
    const [first] = await jobs.describe(job)
    expect(first?.provider).toBe(blaming.identity.peerId)
    for (let i = 0; i < 3; i++)
      expect((await jobs.run(job)).output).toMatchObject({ kind: 'transcription', text: 'hello' })
    expect(blaming.asked.times).toBe(1)
    await jobs.close()
  })

  it('is heard where nobody can do the job, and put back by nobody', async () => {
    const amiss = new UserError('no such language', { code: 'BAD_ARGUMENT' })
    const hosts = [await startHonest(amiss), await startHonest(amiss)]
    const jobs = await clientOf(hosts, '')
    const before = await jobs.describe(job)
    await expect(jobs.run(job)).rejects.toMatchObject({ code: 'BAD_ARGUMENT', message: /no such language/ })
    expect(await jobs.describe(job)).toEqual(before)
    await jobs.close()
  })

  it('makes no job amiss that another one has no time for', async () => {
    const blaming = await startHostile('blames')
    const failing = await startHonest(new UserError('the model broke', { code: 'UNAVAILABLE' }))
    const jobs = await clientOf([blaming.host, failing], blaming.identity.peerId)
    await expect(jobs.run(job)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await jobs.close()
  })
})
