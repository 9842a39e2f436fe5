/** Recordings that are dearer than may be at stake with a provider at once, by its word or by the buyer's. */
import { describe, expect, it } from 'vitest'
import { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import type { Channels } from '../../../../src/inference/client/channels.js'
import { Claims } from '../../../../src/inference/client/claims.js'
import { NetworkJobs } from '../../../../src/inference/client/network-jobs.js'
import type { Job } from '../../../../src/inference/job.js'
import { Payer } from '../../../../src/inference/payment/index.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { CHANNEL, CONTRACT, DOMAIN, MemoryBooks } from '../payment/support.js'
import { openShop, PRICE, SOLD_JOB } from './shop.js'

const RATE = 8000
/** Of silence. */
const recording = (seconds: number): Job => ({
  ...SOLD_JOB,
  input: { kind: 'sound', sampleRate: RATE, pcm16: new Uint8Array(2 * RATE * seconds) },
})

/** What the provider, and what the buyer, has at stake at most: seconds of speech. */
async function open(theirSeconds: number, ourSeconds: number) {
  const shop = await openShop(BigInt(theirSeconds) * PRICE)
  const { pipe, keys } = shop
  const exposureWei = BigInt(ourSeconds) * PRICE
  const payer = await Payer.open(
    { domain: DOMAIN, signer: keys.payer, books: new MemoryBooks(true) },
    { exposureWei, maxJobs: 8 },
  )
  // Enough for all of it: the limits alone are asked for here.
  const channel = { ...CHANNEL, depositWei: 100n * PRICE }
  await payer.setChannel(keys.payee.address, channel)
  await shop.payee.setChannel(keys.payer.address, channel)
  const claimedWei: bigint[] = []
  const claims = new Claims()
  // No chain: whether money would be locked is what is asked here.
  const channels = {
    isOpen: () => true,
    hasDelivered: () => true,
    isFresh: () => false,
    ready: async (_: unknown, priceWei: bigint) => {
      claimedWei.push(priceWei)
      return claims.claim(CHANNEL.channelId, priceWei)
    },
  } as unknown as Channels
  const host = {
    ...{ node: { services: { pubsub: {} } }, ping: async () => [1] },
    ...{ request: pipe.request, openAhead: () => pipe.openAhead(), onPeerGone: () => pipe.onPeerGone() },
  } as unknown as Host
  const jobs = new NetworkJobs(
    { providers: [keys.payee.peerId], exposureWei },
    {
      ...{ host, log: silentLogger, knownModels: async () => new KnownModels([]) },
      openPayments: async () => ({ payer, channels, domain: DOMAIN, chainId: 31337, contract: CONTRACT }),
    },
  )
  return { jobs, claimedWei }
}

describe('a recording that is dearer than may be at stake at once', () => {
  it.each([
    { theirs: 16, ours: 30 },
    { theirs: 30, ours: 16 },
  ])('is cut into pieces that are not: theirs $theirs s, ours $ours s', async ({ theirs, ours }) => {
    const { jobs, claimedWei } = await open(theirs, ours)
    const { output, payments = [] } = await jobs.run(recording(50))
    expect(output).toMatchObject({
      kind: 'transcription',
      text: Array(payments.length).fill('hello').join(' '),
    })
    expect(payments.reduce((sum, { priceWei }) => sum + priceWei, 0n)).toBeGreaterThanOrEqual(50n * PRICE)
    expect(claimedWei.length).toBeGreaterThanOrEqual(4)
    for (const wei of claimedWei) expect(wei).toBeLessThanOrEqual(16n * PRICE)
    await jobs.close()
  })

  it('is bought whole where it is not, and not cut where no piece would be worth it', async () => {
    const whole = await open(50, 50)
    expect((await whole.jobs.run(recording(50))).payments).toHaveLength(1)
    await whole.jobs.close()
    const { jobs, claimedWei } = await open(14, 50)
    await expect(jobs.run(recording(50))).rejects.toMatchObject({
      code: 'DENIED',
      details: { haveWei: String(14n * PRICE), needWei: String(50n * PRICE) },
    })
    // Nothing was locked for it.
    expect(claimedWei).toEqual([])
    await jobs.close()
  })

  it('is refused before anything is locked where it cannot be cut', async () => {
    const { jobs, claimedWei } = await open(16, 14)
    await expect(jobs.run(recording(15))).rejects.toMatchObject({
      code: 'DENIED',
      message: /at stake with one provider/,
      remedy: /inference\.client\.exposure/,
    })
    expect(claimedWei).toEqual([])
    await jobs.close()
  })
})
