/** A provider that takes the voucher for a job and then says that it has no time, or no money: the job is not paid for again. */
import { describe, expect, it } from 'vitest'
import { addressBytes } from '../../../../src/crypto/address.js'
import { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import type { Channels } from '../../../../src/inference/client/channels.js'
import { Claims } from '../../../../src/inference/client/claims.js'
import { Conduct } from '../../../../src/inference/client/conduct.js'
import { NetworkJobs } from '../../../../src/inference/client/network-jobs.js'
import { signOffer } from '../../../../src/inference/network/offer.js'
import { Payer } from '../../../../src/inference/payment/index.js'
import { type Host, RemoteError } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { CHANNEL, CONTRACT, DOMAIN, MemoryBooks } from '../payment/support.js'
import { candidateOf, openShop, PRICE, SOLD_JOB } from './shop.js'

describe('a provider that is paid and gives nothing', () => {
  it.each([
    { code: 'BUSY', retryAfterSeconds: 0 },
    { code: 'DENIED', haveWei: '0', needWei: '1' },
    { code: 'denied', isOfExchange: true },
  ])('is paid once for a job, and has failed it: $code', { timeout: 60_000 }, async (words) => {
    const shop = await openShop()
    const { pipe, keys, offered } = shop
    const { models } = candidateOf(shop).offer
    const payment = { ...offered, contract: addressBytes(CONTRACT) }
    const offer = signOffer(
      keys.payee,
      { addresses: [], models, payment, queue: 1, keptSeconds: 0, audited: true },
      Date.now(),
    )
    // What was paid is given when nobody waits for it any more: so nothing stands against a limit.
    const paid = new Set<string>()
    const request = async (...[target, message, body, options]: Parameters<Host['request']>) => {
      if (message.name === 'offer') return { offer }
      const answer = await pipe.request(target, message, body, options)
      if (message.name !== 'job-pay') return answer
      const id = Buffer.from((body as { jobId: Uint8Array }).jobId).toString('hex')
      if (paid.has(id)) return answer
      paid.add(id)
      if ('isOfExchange' in words) throw new RemoteError(keys.payee.peerId, 'denied', 'not now')
      return { kind: 'refused', message: 'not now', ...words }
    }
    const host = {
      ...{ node: { services: { pubsub: {} } }, ping: async () => [1], request, onPeerGone: () => () => {} },
      openAhead: () => pipe.openAhead(),
    } as unknown as Host
    const payer = await Payer.open(
      { domain: DOMAIN, signer: keys.payer, books: new MemoryBooks(true) },
      { exposureWei: 500n, maxJobs: 8 },
    )
    await payer.setChannel(keys.payee.address, CHANNEL)
    const channels = {
      ...{ ready: async () => new Claims().claim(CHANNEL.channelId, PRICE), isOpen: () => true },
      // A top-up a moment ago.
      ...{ isFresh: () => true, doubt: async () => {}, hasDelivered: () => true },
    } as unknown as Channels
    const conduct = new Conduct({ now: () => 0 })
    const jobs = new NetworkJobs(
      { providers: [keys.payee.peerId], exposureWei: 500n },
      {
        ...{ host, conduct, log: silentLogger, knownModels: async () => new KnownModels([]) },
        openPayments: async () => ({ payer, channels, domain: DOMAIN, chainId: 31337, contract: CONTRACT }),
      },
    )
    const outcome = await jobs.run(SOLD_JOB).catch((error: unknown) => error)
    expect(payer.account(CHANNEL.channelId).voucher).toMatchObject({ receipts: 1, amountWei: PRICE })
    expect(outcome).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('it was paid') })
    expect(conduct.arrears(keys.payee.peerId)).toBe(1)
    await jobs.close()
  })
})
