/** Buying over real connections where a provider that was named is away, and where one changed its offer. */
import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import { NetworkJobs, type NetworkJobsOptions } from '../../../../src/inference/client/network-jobs.js'
import type { Job } from '../../../../src/inference/job.js'
import { decodeTerms, encodeOutput } from '../../../../src/inference/network/job-codec.js'
import { JOB_MESSAGE, type JobReply, OFFER_MESSAGE } from '../../../../src/inference/network/messages.js'
import { signOffer } from '../../../../src/inference/network/offer.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { addressOf, startHost } from '../../p2p/hosts.js'

const MODEL = 'ab'.repeat(32)
const job: Job = {
  task: 'transcribe',
  model: MODEL,
  input: { kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(1600) },
  parameters: {},
}
type Unit = 'audio-second' | 'request'

/** Gives its work away, counted in a unit that may change. */
async function startSeller() {
  const identity = Identity.generate()
  const host = await startHost({}, identity)
  const state = { unit: 'audio-second' as Unit, offersAsked: 0 }
  await host.handle(OFFER_MESSAGE, async () => {
    state.offersAsked++
    const model = {
      ...{ id: 'recogniser', sha256: hexToBytes(MODEL), task: 'transcribe' as const },
      ...{ languages: ['en'], unit: state.unit, priceWeiPerUnit: 0n },
    }
    const content = { addresses: [], models: [model], queue: 8, keptSeconds: 0, audited: true }
    return { offer: signOffer(identity, content, Date.now()) }
  })
  await host.handle(
    JOB_MESSAGE,
    async ({ terms }): Promise<JobReply> =>
      decodeTerms(terms).unit === state.unit
        ? {
            kind: 'output',
            output: encodeOutput({ kind: 'transcription', text: 'hello', language: 'en', words: [] }),
            runMs: 1,
          }
        : { kind: 'refused', code: 'DENIED', message: 'your terms differ: ask for the offer again' },
  )
  return { host, state }
}

async function startBuyer(options: Partial<NetworkJobsOptions>) {
  const host = await startHost({ listen: [] })
  return new NetworkJobs(
    { exposureWei: 0n, ...options },
    { host, log: silentLogger, knownModels: async () => new KnownModels([]) },
  )
}

describe('a provider that was named', () => {
  it('and is away keeps nobody from the other; where all are, why is said', async () => {
    const { host } = await startSeller()
    const gone = await startHost()
    const away = addressOf(gone)
    await gone.stop()
    const jobs = await startBuyer({ providers: [away, addressOf(host)] })
    expect(await jobs.models()).toHaveLength(1)
    expect((await jobs.run(job)).output).toMatchObject({ text: 'hello' })
    await jobs.close()
    const nobody = await startBuyer({ providers: [away] })
    await expect(nobody.models()).rejects.toBeInstanceOf(UserError)
    await nobody.close()
  })

  it('and changed its terms is asked for its offer again, and does the same job then', async () => {
    const { host, state } = await startSeller()
    const jobs = await startBuyer({ providers: [addressOf(host)] })
    await jobs.run(job)
    const before = state.offersAsked
    state.unit = 'request'
    expect((await jobs.run(job)).output).toMatchObject({ text: 'hello' })
    expect(state.offersAsked).toBe(before + 1)
    // The next one knows, and so does who asks what there is.
    expect(await jobs.models()).toMatchObject([{ id: 'recogniser', unit: 'request' }])
    await jobs.run(job)
    expect(state.offersAsked).toBe(before + 1)
    await jobs.close()
  })
})
