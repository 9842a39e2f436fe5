/** A provider that has itself paid for bytes that are no output: it is asked once, and what convicts it is kept. */
import { hexToBytes } from '@noble/hashes/utils.js'
import { expect, it } from 'vitest'
import { addressBytes, addressOfPublicKey } from '../../../../src/crypto/address.js'
import { Identity } from '../../../../src/crypto/identity.js'
import type { KeptEvidence } from '../../../../src/inference/audit/evidence.js'
import { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import type { Channels } from '../../../../src/inference/client/channels.js'
import { Claims } from '../../../../src/inference/client/claims.js'
import { LeftProviders } from '../../../../src/inference/client/left-providers.js'
import { NetworkJobs } from '../../../../src/inference/client/network-jobs.js'
import { encodeOutput, hashOf } from '../../../../src/inference/network/job-codec.js'
import type { JobRequest } from '../../../../src/inference/network/messages.js'
import { signOffer } from '../../../../src/inference/network/offer.js'
import {
  NO_RECEIPTS,
  Payer,
  ReceiptKind,
  receiptToCbor,
  signReceipt,
} from '../../../../src/inference/payment/index.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { CHANNEL, CONTRACT, DOMAIN, MemoryBooks } from '../payment/support.js'
import { MODEL, SOLD_JOB } from './shop.js'

const PRICE = 30n
const { channelId } = CHANNEL

/** A buyer of one provider, whose every output is these bytes. @param priceWeiPerUnit 0n: for nothing */
async function openBuyer(output: Uint8Array, priceWeiPerUnit: bigint) {
  const [buyer, seller] = [Identity.generate(), Identity.generate()]
  const payer = await Payer.open(
    { domain: DOMAIN, signer: buyer, books: new MemoryBooks(true) },
    { exposureWei: 500n, maxJobs: 8 },
  )
  await payer.setChannel(addressOfPublicKey(seller.publicKey), CHANNEL)
  const asked: string[] = []
  const chainId = 31337
  const model = {
    ...{ id: 'recogniser', sha256: hexToBytes(MODEL), task: 'transcribe' as const, languages: ['en'] },
    ...{ unit: 'audio-second' as const, priceWeiPerUnit },
  }
  const payment = { chainId, contract: addressBytes(CONTRACT), leastDepositWei: 0n, exposureWei: 500n }
  const content = { addresses: [], models: [model], payment, queue: 8, keptSeconds: 0, audited: true }
  const answer = (request: JobRequest): unknown => {
    if (priceWeiPerUnit === 0n) return { kind: 'output', output, runMs: 1 }
    const { jobId } = request
    const work = { jobId, model: request.model, input: hashOf(request.input), terms: hashOf(request.terms) }
    const place = { channelId, index: 1, previous: NO_RECEIPTS, kind: ReceiptKind.job }
    const price = { units: 1, priceWei: PRICE, totalWei: PRICE, issuedAt: 1_900_000_000 }
    const receipt = signReceipt(DOMAIN, { ...place, ...work, ...price, output: hashOf(output) }, seller)
    return { kind: 'receipt', receipt: receiptToCbor(receipt), runMs: 1 }
  }
  const host = {
    node: { services: { pubsub: {} } },
    onPeerGone: () => () => {},
    ping: async () => [1],
    request: async (_: unknown, { name }: { name: string }, body: unknown) => {
      if (name === 'offer') return { offer: signOffer(seller, content, Date.now()) }
      asked.push(name)
      if (name === 'job') return answer(body as JobRequest)
      return name === 'job-pay' ? { kind: 'output', output } : null
    },
  } as unknown as Host
  const channels = {
    isOpen: () => true,
    hasDelivered: () => true,
    known: () => payer.account(channelId),
    isFresh: () => false,
    leave: async () => void asked.push('left'),
    ready: async (_: unknown, wei: bigint) => new Claims().claim(channelId, wei),
  } as unknown as Channels
  const kept: KeptEvidence[] = []
  const left = LeftProviders.passing()
  const jobs = new NetworkJobs(
    { providers: [seller.peerId], exposureWei: 500n },
    {
      ...{ host, log: silentLogger, left, knownModels: async () => new KnownModels([]) },
      openPayments: async () => ({ payer, channels, domain: DOMAIN, chainId, contract: CONTRACT }),
      audits: {
        isTimely: () => true,
        keep: (evidence) => void kept.push(evidence),
        isAvoided: () => false,
        goodFindings: () => 0,
      },
    },
  )
  return { jobs, asked, kept, isLeft: () => left.has(seller.peerId) }
}

it.each([
  ['one byte', new Uint8Array([0]), /paid for what is no output/],
  ['a translation', encodeOutput({ kind: 'translation', text: 'hello' }), /transcribe with translation/],
])('%s, paid as a transcription', async (_, output, message) => {
  const { jobs, asked, kept, isLeft } = await openBuyer(output, PRICE)
  await expect(jobs.run(SOLD_JOB)).rejects.toMatchObject({ code: 'VERIFICATION_FAILED', message })
  await jobs.close()
  expect([...asked].sort()).toEqual(['job', 'job-have', 'job-pay', 'left'])
  expect(isLeft()).toBe(true)
  expect(kept).toMatchObject([{ output, receipt: { output: hashOf(output), priceWei: PRICE } }])
  await expect(jobs.run(SOLD_JOB)).rejects.toMatchObject({ code: 'DENIED' })
  expect(asked.filter((name) => name === 'job')).toHaveLength(1)
})

it('what cost nothing, and has no receipt, is a failure of a provider that is asked again', async () => {
  const { jobs, kept, isLeft } = await openBuyer(new Uint8Array([0]), 0n)
  await expect(jobs.run(SOLD_JOB)).rejects.toMatchObject({ code: 'BAD_MESSAGE' })
  await jobs.close()
  expect([isLeft(), kept]).toEqual([false, []])
})
