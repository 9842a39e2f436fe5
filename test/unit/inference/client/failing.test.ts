/** Buying over real connections where a provider hangs: it is left after its time, and asked after the others from then on. */
import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import { Conduct } from '../../../../src/inference/client/conduct.js'
import { NetworkJobs } from '../../../../src/inference/client/network-jobs.js'
import type { Job } from '../../../../src/inference/job.js'
import type { LocalJobs } from '../../../../src/inference/local/local-jobs.js'
import { JOB_MESSAGE, OFFER_MESSAGE } from '../../../../src/inference/network/messages.js'
import { signOffer } from '../../../../src/inference/network/offer.js'
import { priceList } from '../../../../src/inference/provider/price-list.js'
import { Provider } from '../../../../src/inference/provider/provider.js'
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

/** Takes jobs, and never answers. */
async function startHanging() {
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

async function startHonest() {
  const signer = Identity.generate()
  const host = await startHost({}, signer)
  const jobs = {
    models: async () => [served({ sha256: MODEL })],
    run: async () => heard('hello'),
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
    const hanging = [await startHanging(), await startHanging()]
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
