/** Payees that do one cheap job and close: what they close is neither locked nor open to a buyer, on a real chain. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  channelsContract,
  closeChannel,
  type DevChain,
  openChannel,
  readChannel,
  startDevChain,
} from '../../src/chain/index.js'
import type { Address } from '../../src/crypto/address.js'
import type { Identity } from '../../src/crypto/identity.js'
import { Channels } from '../../src/inference/client/channels.js'
import { Locked } from '../../src/inference/client/locked.js'
import {
  NO_RECEIPTS,
  Payer,
  paymentDomain,
  ReceiptKind,
  receiptDigest,
  signReceipt,
} from '../../src/inference/payment/index.js'
import { silentLogger } from '../../src/telemetry/logger.js'
import { askedJob, MemoryBooks, workOf } from '../unit/inference/payment/support.js'
import { fundedChain, startProxy, testClientOf, whyNoAnvil } from './support.js'

const DEPOSIT = 1000n
const DAY = 86_400
const PATIENT = { timeout: 120_000 }

describe.skipIf(whyNoAnvil !== undefined)('a channel that its payee closes', () => {
  type Funded = Awaited<ReturnType<typeof fundedChain>>
  let dev: DevChain
  let calls: number
  let isDown: boolean
  const closing: (() => unknown)[] = []
  beforeEach(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
    closing.push(() => dev.stop())
    calls = 0
    isDown = false
  }, 60_000)
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  /** A buyer who may lock so many deposits, and payees with a channel in which one job of a wei was delivered. */
  async function open(payees: number, confirmations = 1) {
    const proxy = await startProxy(dev.rpcUrl, async (method, _, pass) => {
      if (method === 'eth_call') calls++
      if (method === 'eth_call' && isDown)
        return JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: -32_000, message: 'down' } })
      return pass()
    })
    closing.push(() => proxy.server.close())
    const chain = await fundedChain(dev, { rpcUrls: [proxy.url], confirmations })
    closing.push(() => chain.close())
    const domain = paymentDomain(chain.chainId, channelsContract(chain))
    const { identity } = chain
    const payer = await Payer.open(
      { domain, signer: identity, books: new MemoryBooks(true) },
      { exposureWei: DEPOSIT, maxJobs: 8 },
    )
    const mostLockedWei = BigInt(payees) * DEPOSIT
    const { address } = identity
    const channels = new Channels(
      { depositWei: DEPOSIT, lifeSeconds: 30 * DAY, mostLockedWei },
      { chain, payer, address, log: silentLogger },
    )
    const offered = { ...{ chainId: 0, contract: new Uint8Array(20) }, leastDepositWei: 1n, exposureWei: 1n }
    const ready = (payee: Address) => channels.ready(payee, 1n, offered)
    const buy = async (channelId: Uint8Array, signer: Identity): Promise<void> => {
      const job = askedJob(1, 1n)
      await payer.begin(channelId, job)
      const place = { channelId, index: 1, previous: NO_RECEIPTS, kind: ReceiptKind.job }
      const work = { ...workOf(job, 1), totalWei: 1n, issuedAt: 1_900_000_000 }
      await payer.receive(signReceipt(domain, { ...place, ...work }, signer))
      await payer.deliver(channelId, job.jobId, work.output)
    }
    const sellers: { readonly chain: Funded; readonly payee: Address; readonly channelId: Uint8Array }[] = []
    for (let i = 0; i < payees; i++) {
      const seller = await fundedChain(dev)
      closing.push(() => seller.close())
      const payee = seller.identity.address
      const claim = await ready(payee)
      await buy(claim.channelId, seller.identity)
      claim.release()
      sellers.push({ chain: seller, payee, channelId: claim.channelId })
    }
    const roomWei = () => new Locked(mostLockedWei, payer, Date.now).roomWei
    const close = (of: (typeof sellers)[number]) =>
      closeChannel(of.chain, { payer: address, payee: of.payee })
    return { chain, payer, channels, domain, ready, sellers, roomWei, close, address }
  }

  it(
    'has ended for the buyer, too: its deposit is no locked one, and its receipts are kept',
    PATIENT,
    async () => {
      const { channels, payer, ready, sellers, roomWei, close, domain } = await open(3)
      const [first, second, third] = sellers as [
        (typeof sellers)[0],
        (typeof sellers)[0],
        (typeof sellers)[0],
      ]
      for (const each of [first, second]) await close(each)
      const honest = await fundedChain(dev)
      closing.push(() => honest.close())
      await expect(ready(honest.identity.address)).rejects.toMatchObject({ code: 'DENIED' })
      expect(roomWei()).toBe(3n)

      calls = 0
      await channels.refundOver()
      expect(roomWei()).toBe(2n * DEPOSIT + 1n)
      // One for each channel, and two more for each that is closed.
      expect(calls).toBeLessThanOrEqual(3 + 2 * 2)
      expect(sellers.map(({ payee }) => channels.isOpen(payee))).toEqual([false, false, true])
      const [receipt] = await payer.receipts(first.channelId, 1, 1)
      expect(receipt && receiptDigest(domain, receipt)).toEqual(payer.account(first.channelId).head)

      expect((await ready(honest.identity.address)).channelId).not.toEqual(third.channelId)
      const again = await ready(first.payee)
      expect(payer.account(again.channelId)).toMatchObject({ nonce: 2, depositWei: DEPOSIT })
    },
  )

  it('is looked at for a refusal of its payee, once a minute at most', PATIENT, async () => {
    const { channels, ready, sellers, roomWei, close } = await open(2)
    const [one, other] = sellers as [(typeof sellers)[0], (typeof sellers)[0]]
    await channels.doubt(other.payee)
    expect(channels.isOpen(other.payee)).toBe(true)
    for (const each of [one, other]) await close(each)
    calls = 0
    await channels.doubt(other.payee)
    expect([calls, channels.isOpen(other.payee)]).toEqual([0, true])
    await channels.doubt(one.payee)
    expect(channels.isOpen(one.payee)).toBe(false)
    expect(roomWei()).toBe(DEPOSIT + 1n)
    const looks = calls
    await channels.doubt(one.payee)
    expect(calls).toBe(looks)
    expect((await ready(one.payee)).channelId).not.toEqual(one.channelId)
  })

  it('has not while a block that may be taken back says so, or nobody can read it', PATIENT, async () => {
    const mine = () => testClientOf(dev.rpcUrl).mine({ blocks: 1 })
    // What the buyer does is deep enough only with a block behind it.
    let isOpening = true
    const mining = (async () => {
      for (; isOpening; await sleep(100)) await mine()
    })()
    const { chain, channels, sellers, close } = await open(1, 2)
    isOpening = false
    await mining
    const [seller] = sellers as [(typeof sellers)[0]]
    const { payee } = seller
    await close(seller)
    await channels.refundOver()
    expect(channels.isOpen(payee)).toBe(true)
    await mine()
    isDown = true
    await channels.refundOver()
    expect(channels.isOpen(payee)).toBe(true)
    isDown = false
    expect((await readChannel(chain, { payer: chain.identity.address, payee })).isOpen).toBe(false)
    await channels.refundOver()
    expect(channels.isOpen(payee)).toBe(false)
  })

  it('hides no deposit of a newer opening', PATIENT, async () => {
    const { chain, channels, payer, sellers, close } = await open(1)
    const [seller] = sellers as [(typeof sellers)[0]]
    const { payee } = seller
    await close(seller)
    const endsAt = (await chain.clock()).timestamp + 2 * DAY
    // No ledger has it, and nobody here knows whether it was paid from.
    await openChannel(chain, { payee, depositWei: DEPOSIT / 2n, endsAt })
    await channels.refundOver()
    expect(channels.isOpen(payee)).toBe(false)
    const state = () => readChannel(chain, { payer: chain.identity.address, payee })
    const soonest = (await chain.clock()).timestamp + chain.terms.channelChallengeSeconds
    expect((await state()).endsAt).toBeLessThanOrEqual(soonest)
    await dev.increaseTime(chain.terms.channelChallengeSeconds + 1)
    await channels.refundOver()
    expect(await state()).toMatchObject({ nonce: 2, isOpen: false, depositWei: 0n })
    expect(payer.account(seller.channelId).endsAt).toBeLessThanOrEqual(Date.now() / 1000)
  })
})
