/** An honest provider that has receipts of a channel from another ledger of the same key, and a buyer that has fewer or none. */
import { describe, expect, it } from 'vitest'
import { type Address, addressBytes } from '../../../../src/crypto/address.js'
import type { CborValue } from '../../../../src/crypto/cbor.js'
import { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import type { Channels } from '../../../../src/inference/client/channels.js'
import { Claims } from '../../../../src/inference/client/claims.js'
import { LeftProviders } from '../../../../src/inference/client/left-providers.js'
import { NetworkJobs } from '../../../../src/inference/client/network-jobs.js'
import { signOffer } from '../../../../src/inference/network/offer.js'
import { Payee, Payer, signVoucher, voucherToCbor } from '../../../../src/inference/payment/index.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { askedJob, CHANNEL, CONTRACT, DOMAIN, MemoryBooks } from '../payment/support.js'
import { candidateOf, openShop, openShopWith, PRICE, SOLD_JOB } from './shop.js'

const PATIENT = { timeout: 30_000 }

/** A shop, and buyers of one key. */
async function open() {
  let shop = await openShop()
  const { keys, offered } = shop
  const { models } = candidateOf(shop).offer
  const payment = { ...offered, contract: addressBytes(CONTRACT) }
  const offer = signOffer(
    keys.payee,
    { addresses: [], models, payment, queue: 1, keptSeconds: 0, audited: true },
    Date.now(),
  )
  const host = {
    node: { services: { pubsub: {} } },
    ping: async () => [1],
    openAhead: () => shop.pipe.openAhead(),
    onPeerGone: (listener: (peerId: string) => void) => {
      gone = () => listener(keys.payee.peerId)
      return () => {}
    },
    request: async (...[target, message, ...rest]: Parameters<Host['request']>) => {
      if (message.name === 'offer') return { offer }
      const answer = await shop.pipe.request(target, message, ...rest)
      return message.name === 'job-sync' && shown.voucher !== undefined
        ? { ...(answer as object), ...shown }
        : answer
    },
  } as unknown as Host
  let gone = (): void => {}
  /** The provider's process ends, and another one begins with what is on that disk. */
  const restart = async (books: MemoryBooks, redeemedWei = 0n) => {
    const payee = await Payee.open(
      { domain: DOMAIN, signer: keys.payee, books, now: () => 1_900_000_000 },
      { exposureWei: 500n, maxJobs: 8, leastRemainingSeconds: 100 },
    )
    await payee.setChannel(keys.payer.address, { ...CHANNEL, redeemedWei })
    const keeper = { adopt: async () => payee.account(CHANNEL.channelId), isMoreComing: async () => false }
    shop = await openShopWith({ keys, payee, keeper, domain: DOMAIN, contract: CONTRACT, exposureWei: 500n })
    gone()
    return payee
  }
  /** What the provider shows, whatever it has. */
  const shown: { voucher?: CborValue } = {}
  const left = LeftProviders.passing()
  const givenUp: Address[] = []
  const start = async (books = new MemoryBooks(true)) => {
    const payer = await Payer.open(
      { domain: DOMAIN, signer: keys.payer, books },
      { exposureWei: 500n, maxJobs: 8 },
    )
    await payer.setChannel(keys.payee.address, CHANNEL)
    const channels = {
      ...{ ready: async () => new Claims().claim(CHANNEL.channelId, PRICE), isOpen: () => true },
      ...{ isFresh: () => false, doubt: async () => {}, hasDelivered: () => false },
      giveUp: async (payee: Address) => void givenUp.push(payee),
    } as unknown as Channels
    return new NetworkJobs(
      { providers: [keys.payee.peerId], exposureWei: 500n },
      {
        ...{ host, left, log: silentLogger, knownModels: async () => new KnownModels([]) },
        openPayments: async () => ({
          ...{ payer, channels, domain: DOMAIN, chainId: 31337, contract: CONTRACT },
        }),
      },
    )
  }
  return { start, restart, left, givenUp, keys, shown }
}

describe('a provider with receipts of another ledger of its client', () => {
  it('is neither waited for nor left for good: the channel is given up', PATIENT, async () => {
    const { start, left, givenUp, keys } = await open()
    await (await start()).run(SOLD_JOB)
    expect(givenUp).toEqual([])
    const begunMs = performance.now()
    await expect((await start()).run(SOLD_JOB)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('does not know'),
    })
    expect(performance.now() - begunMs).toBeLessThan(10_000)
    expect(givenUp).toEqual([keys.payee.address])
    expect(left.has(keys.payee.peerId)).toBe(false)
  })

  it('is not blamed where an older copy of a ledger was put back, whatever that holds', PATIENT, async () => {
    for (const before of [0, 1, 2]) {
      const { start, left, givenUp, keys } = await open()
      const books = new MemoryBooks(true)
      const buyer = await start(books)
      for (let jobs = 0; jobs < before; jobs++) await buyer.run(SOLD_JOB)
      const copy = books.copy()
      for (let jobs = 0; jobs < 2; jobs++) await buyer.run(SOLD_JOB)
      await expect((await start(copy)).run(SOLD_JOB)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringContaining('older copy'),
      })
      expect(givenUp).toEqual([keys.payee.address])
      expect(left.has(keys.payee.peerId)).toBe(false)
    }
  })

  it('is blamed where it shows a voucher that nobody signed', PATIENT, async () => {
    const { start, left, givenUp, keys, shown } = await open()
    const books = new MemoryBooks(true)
    await (await start(books)).run(SOLD_JOB)
    const { channelId } = CHANNEL
    const voucher = { channelId, amountWei: 900n, receipts: 9, receiptsHead: new Uint8Array(32) }
    shown.voucher = voucherToCbor(signVoucher(DOMAIN, voucher, keys.payee))
    await expect((await start(books)).run(SOLD_JOB)).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' })
    expect([givenUp, left.has(keys.payee.peerId)]).toEqual([[], true])
  })
})

describe('a provider whose own ledger is lost, or an older copy that was put back', () => {
  it(
    'signs no receipt twice: the channel is given up, in the process that bought before as in the next',
    PATIENT,
    async () => {
      for (const before of [0, 1]) {
        const { start, restart, left, givenUp, keys } = await open()
        const disk = new MemoryBooks(true)
        await restart(disk)
        const books = new MemoryBooks(true)
        const buyer = await start(books)
        for (let jobs = 0; jobs < before; jobs++) await buyer.run(SOLD_JOB)
        const copy = disk.copy()
        for (let jobs = 0; jobs < 2; jobs++) await buyer.run(SOLD_JOB)
        const payee = await restart(copy)
        for (const each of [buyer, await start(books)])
          await expect(each.run(SOLD_JOB)).rejects.toMatchObject({
            code: 'UNAVAILABLE',
            message: expect.stringContaining('lost its ledger of this channel'),
          })
        expect(payee.account(CHANNEL.channelId)).toMatchObject({ issued: before, running: [] })
        expect(() => payee.admit(CHANNEL.channelId, askedJob(7))).toThrow('earlier ledger')
        expect(givenUp).toEqual([keys.payee.address, keys.payee.address])
        expect(left.has(keys.payee.peerId)).toBe(false)
      }
    },
  )

  it('goes on selling where it has everything', PATIENT, async () => {
    const { start, restart, givenUp } = await open()
    const disk = new MemoryBooks(true)
    await restart(disk)
    const buyer = await start()
    for (let restarts = 0; restarts < 3; restarts++) {
      await buyer.run(SOLD_JOB)
      await restart(disk)
    }
    await buyer.run(SOLD_JOB)
    expect(givenUp).toEqual([])
  })
})
