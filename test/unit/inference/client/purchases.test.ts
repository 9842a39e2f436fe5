/** What a buyer makes of a provider that refuses what its channel covers. */
import { describe, expect, it } from 'vitest'
import type { Address } from '../../../../src/crypto/address.js'
import { UserError } from '../../../../src/errors.js'
import type { Candidate } from '../../../../src/inference/client/candidates.js'
import type { Channels } from '../../../../src/inference/client/channels.js'
import { Claims } from '../../../../src/inference/client/claims.js'
import type { DailyBudget } from '../../../../src/inference/client/daily-budget.js'
import type { Dealing } from '../../../../src/inference/client/dealing.js'
import { Dealings } from '../../../../src/inference/client/dealings.js'
import { Purse } from '../../../../src/inference/client/payments.js'
import { Purchases } from '../../../../src/inference/client/purchases.js'
import { decodeTerms, encodeOutput } from '../../../../src/inference/network/job-codec.js'
import { JOB_MESSAGE } from '../../../../src/inference/network/messages.js'
import { Payer } from '../../../../src/inference/payment/index.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { addressOf, startHost } from '../../p2p/hosts.js'
import { askedJob, CHANNEL, CONTRACT, DOMAIN, MemoryBooks } from '../payment/support.js'
import { candidateOf, openShop, PRICE, type Shop, SOLD_JOB } from './shop.js'

/** @param isFresh whether the buyer locked money a moment ago */
async function open(isFresh: boolean, exposureWei = 500n, isAudited = true) {
  const spent = { wei: 0n }
  const budget = {
    take: async (wei: bigint) => {
      spent.wei += wei
      return () => {
        spent.wei -= wei
      }
    },
  } as unknown as DailyBudget

  const shop = await openShop(exposureWei)
  const { pipe, payee, keys } = shop
  const signer = keys.payer
  const payer = await Payer.open(
    { domain: DOMAIN, signer, books: new MemoryBooks(true) },
    { exposureWei: 500n, maxJobs: 8 },
  )
  await payer.setChannel(keys.payee.address, CHANNEL)
  const doubted: Address[] = []
  const channels = {
    ready: async () => new Claims().claim(CHANNEL.channelId, PRICE),
    isFresh: () => isFresh,
    doubt: async (payee: Address) => void doubted.push(payee),
  } as unknown as Channels
  const purse = new Purse(async () => ({
    payer,
    channels,
    domain: DOMAIN,
    chainId: 31337,
    contract: CONTRACT,
  }))
  const candidate = candidateOf(shop)
  Object.assign(candidate.offer, { audited: isAudited })
  const audits: boolean[] = []
  const request: Host['request'] = (target, message, body, options) => {
    if (message.name === JOB_MESSAGE.name)
      audits.push(decodeTerms((body as { terms: Uint8Array }).terms).audit)
    return pipe.request(target, message, body, options)
  }
  const host = {
    ...{ request, openAhead: () => pipe.openAhead(), onPeerGone: () => pipe.onPeerGone() },
  } as unknown as Host
  const purchases = new Purchases(true, { host, log: silentLogger, purse, budget, audits: undefined })
  return {
    buy: (patienceMs = 10_000) => purchases.buy(candidate, SOLD_JOB, { signal: undefined, patienceMs }),
    spent,
    payer,
    pipe,
    audits,
    doubted,
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
      const { buy, payee, keys, doubted, close } = await open(isFresh)
      await payee.setChannel(keys.payer.address, { ...CHANNEL, depositWei: PRICE - 1n })
      await expect(buy()).rejects.toMatchObject(refusal)
      // It may have closed the channel: the chain knows.
      expect(doubted).toEqual([keys.payee.address])
      // It has seen it by now.
      await payee.setChannel(keys.payer.address, CHANNEL)
      const { output, payments } = await buy()
      expect(output).toMatchObject({ text: 'hello' })
      expect(payments).toMatchObject([{ provider: keys.payee.peerId, priceWei: PRICE, units: 1 }])
      expect(doubted).toHaveLength(1)
      await close()
    },
  )
})

describe('a provider that does one job for a client before it is paid', () => {
  it('is asked again in a second while another one is under way, and is believed when none is', async () => {
    const { buy, pipe, close } = await open(false, PRICE)
    const paid = Promise.withResolvers<void>()
    pipe.onRequest = (name) => (name === 'job-pay' ? paid.promise : Promise.resolve())
    const first = buy()
    await expect.poll(() => pipe.reached).toEqual(['job'])
    await expect(buy()).rejects.toMatchObject({ code: 'BUSY', details: { retryAfterSeconds: 1 } })
    paid.resolve()
    await first
    await close()
    const small = await open(false, PRICE - 1n)
    await expect(small.buy()).rejects.toMatchObject({ code: 'DENIED' })
    await small.close()
  })
})

it('what was never asked for costs nothing of a day, and what was broken off does', async () => {
  const { buy, spent, payer, pipe, close } = await open(false)
  // An earlier process left something open, and the provider takes long over that.
  await payer.begin(CHANNEL.channelId, askedJob(7, 1n))
  const held = Promise.withResolvers<void>()
  pipe.onRequest = (name) => (name === 'job-sync' ? held.promise : Promise.resolve())
  await expect(buy(50)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(pipe.reached).not.toContain('job')
  expect(spent.wei).toBe(0n)
  held.resolve()
  // It may be run, and settled, all the same.
  pipe.onRequest = (name) =>
    name === 'job'
      ? Promise.reject(new UserError('the line broke', { code: 'UNREACHABLE' }))
      : Promise.resolve()
  await expect(buy()).rejects.toMatchObject({ code: 'UNREACHABLE' })
  expect(spent.wei).toBe(PRICE)
  await close()
})

it('no audit is agreed on with a provider that lets no auditor hear anything', async () => {
  for (const isAudited of [true, false]) {
    const { buy, audits, close } = await open(false, 500n, isAudited)
    await buy()
    expect(audits).toEqual([isAudited])
    await close()
  }
})

describe('a provider that has another address by now', () => {
  const silent = { log: silentLogger, purse: new Purse(undefined), audits: undefined }
  /** Of a free job. @param sequence of its offer */
  const free = (shop: Shop, addresses: readonly string[], sequence: number): Candidate => {
    const { offer, target: _, ...same } = candidateOf(shop)
    const { peerId } = offer
    const target = { peerId, addresses }
    return { ...same, offer: { ...offer, addresses, sequence }, target, priceWei: 0n, units: 1 }
  }

  it('is bought from there, whatever an older offer says', async () => {
    const shop = await openShop()
    const client = await startHost({ listen: [] })
    const asked: unknown[] = []
    const request: Host['request'] = (target, ...more) => {
      asked.push(target)
      return client.request(target, ...more)
    }
    const host = {
      ...{ request, openAhead: client.openAhead.bind(client), onPeerGone: client.onPeerGone.bind(client) },
    } as unknown as Host
    const purchases = new Purchases(false, { host, ...silent })
    const sell = async () => {
      const host = await startHost({}, shop.keys.payee)
      await host.handle(JOB_MESSAGE, async () => ({ kind: 'output' as const, output, runMs: 1 }))
      return host
    }
    const output = encodeOutput({ kind: 'transcription', text: 'hello', language: null, words: [] })
    const buy = (candidate: Candidate) => purchases.buy(candidate, SOLD_JOB, { signal: undefined })
    const former = await sell()
    const before = free(shop, [addressOf(former)], 1)
    expect((await buy(before)).output).toMatchObject({ text: 'hello' })
    await former.stop()
    const now = free(shop, [addressOf(await sell())], 2)
    expect(now.target).not.toEqual(before.target)
    for (const candidate of [now, before])
      expect((await buy(candidate)).output).toMatchObject({ text: 'hello' })
    expect(asked).toEqual([before.target, now.target, now.target])
    await purchases.close()
  })

  it('of many makes room, the one used the longest ago first, and none that is at work', async () => {
    const shop = await openShop()
    const dealings = new Dealings({
      ...{ host: shop.pipe as unknown as Host, log: silentLogger },
      openPayment: () => Promise.reject(new Error('nothing is paid for here')),
    })
    const of = (n: number): Candidate => {
      const { offer, ...same } = free(shop, [], 1)
      return { ...same, offer: { ...offer, peerId: `peer ${n}` } }
    }
    const use = (n: number) => dealings.with(of(n), false, async (dealing) => dealing)
    const done = Promise.withResolvers<void>()
    let atWork: Dealing | undefined
    const working = dealings.with(of(0), false, async (dealing) => {
      atWork = dealing
      await done.promise
    })
    const first = await use(1)
    const second = await use(2)
    for (let n = 3; n < 128; n++) await use(n)
    expect(await use(1)).toBe(first)
    expect(dealings.size).toBe(128)
    await use(128)
    expect(dealings.size).toBe(128)
    expect(await use(1)).toBe(first)
    expect(await use(0)).toBe(atWork)
    expect(await use(2)).not.toBe(second)
    for (let n = 200; n < 400; n++) await use(n)
    expect(dealings.size).toBe(128)
    expect(await use(0)).toBe(atWork)
    done.resolve()
    await working
    await dealings.close()
  })
})
