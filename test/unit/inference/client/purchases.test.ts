/** What a buyer makes of a provider that has not seen its top-up. */
import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import type { Candidate } from '../../../../src/inference/client/candidates.js'
import type { Channels } from '../../../../src/inference/client/channels.js'
import { Purse } from '../../../../src/inference/client/payments.js'
import { Purchases } from '../../../../src/inference/client/purchases.js'
import type { Job } from '../../../../src/inference/job.js'
import { Payer } from '../../../../src/inference/payment/index.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { CHANNEL, CONTRACT, DOMAIN, MemoryBooks } from '../payment/support.js'
import { MODEL, openShop, PRICE } from './shop.js'

const job: Job = {
  task: 'transcribe',
  model: MODEL,
  input: { kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(16_000) },
  parameters: {},
}

/** @param isFresh whether the buyer locked money a moment ago */
async function open(isFresh: boolean) {
  const { pipe, payee, keys, offered } = await openShop()
  const signer = keys.payer
  const payer = await Payer.open(
    { domain: DOMAIN, signer, books: new MemoryBooks(true) },
    { exposureWei: 500n, maxJobs: 8 },
  )
  await payer.setChannel(keys.payee.address, CHANNEL)
  const channels = {
    ready: async () => payer.account(CHANNEL.channelId),
    isFresh: () => isFresh,
  } as unknown as Channels
  const purse = new Purse(async () => ({
    payer,
    channels,
    domain: DOMAIN,
    chainId: 31337,
    contract: CONTRACT,
  }))
  const host = pipe as unknown as Host
  const { publicKey, peerId } = keys.payee
  const model = {
    id: 'recogniser',
    sha256: hexToBytes(MODEL),
    task: 'transcribe' as const,
    languages: ['en'],
    unit: 'audio-second' as const,
    priceWeiPerUnit: PRICE,
  }
  const offer = {
    publicKey,
    peerId,
    addresses: [],
    models: [model],
    payment: offered,
    queue: 1,
    keptSeconds: 0,
    audited: true,
    expiresAtMs: 2e12,
    sequence: 1,
  } as unknown as Candidate['offer']
  const target = { peerId, addresses: [] }
  const candidate: Candidate = {
    offer,
    target,
    latencyMs: 1,
    model,
    units: 1,
    priceWei: PRICE,
    arrears: 0,
    goodDoublings: 0,
    slowDoublings: 0,
  }
  const purchases = new Purchases(true, { host, log: silentLogger, purse, audits: undefined })
  return {
    buy: () => purchases.buy(candidate, job, { signal: undefined }),
    payee,
    keys,
    close: () => purchases.close(),
  }
}

describe('a provider that knows of less than the buyer', () => {
  it.each([
    { isFresh: true, refusal: { code: 'BUSY', details: { retryAfterSeconds: 1, needWei: String(PRICE) } } },
    { isFresh: false, refusal: { code: 'DENIED', details: { needWei: String(PRICE) } } },
  ])(
    'is asked again in a second where money was locked a moment ago: $isFresh',
    async ({ isFresh, refusal }) => {
      const { buy, payee, keys, close } = await open(isFresh)
      await payee.setChannel(keys.payer.address, { ...CHANNEL, depositWei: PRICE - 1n })
      await expect(buy()).rejects.toMatchObject(refusal)
      // It has seen it by now.
      await payee.setChannel(keys.payer.address, CHANNEL)
      const { output, payments } = await buy()
      expect(output).toMatchObject({ text: 'hello' })
      expect(payments).toMatchObject([{ provider: keys.payee.peerId, priceWei: PRICE, units: 1 }])
      await close()
    },
  )
})
