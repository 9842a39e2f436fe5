/** What a buyer makes of a provider that refuses what its channel covers. */
import { describe, expect, it } from 'vitest'
import type { Channels } from '../../../../src/inference/client/channels.js'
import { Claims } from '../../../../src/inference/client/claims.js'
import { Purse } from '../../../../src/inference/client/payments.js'
import { Purchases } from '../../../../src/inference/client/purchases.js'
import { decodeTerms } from '../../../../src/inference/network/job-codec.js'
import { JOB_MESSAGE } from '../../../../src/inference/network/messages.js'
import { Payer } from '../../../../src/inference/payment/index.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { CHANNEL, CONTRACT, DOMAIN, MemoryBooks } from '../payment/support.js'
import { candidateOf, openShop, PRICE, SOLD_JOB } from './shop.js'

/** @param isFresh whether the buyer locked money a moment ago */
async function open(isFresh: boolean, exposureWei = 500n, isAudited = true) {
  const shop = await openShop(exposureWei)
  const { pipe, payee, keys } = shop
  const signer = keys.payer
  const payer = await Payer.open(
    { domain: DOMAIN, signer, books: new MemoryBooks(true) },
    { exposureWei: 500n, maxJobs: 8 },
  )
  await payer.setChannel(keys.payee.address, CHANNEL)
  const channels = {
    ready: async () => new Claims().claim(CHANNEL.channelId, PRICE),
    isFresh: () => isFresh,
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
  const host = { request, openAhead: () => pipe.openAhead() } as unknown as Host
  const purchases = new Purchases(true, { host, log: silentLogger, purse, audits: undefined })
  return {
    buy: () => purchases.buy(candidate, SOLD_JOB, { signal: undefined }),
    pipe,
    audits,
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

it('no audit is agreed on with a provider that lets no auditor hear anything', async () => {
  for (const isAudited of [true, false]) {
    const { buy, audits, close } = await open(false, 500n, isAudited)
    await buy()
    expect(audits).toEqual([isAudited])
    await close()
  }
})
