/** An honest provider that has receipts of a channel from an earlier ledger of the same key, and a buyer that has none. */
import { describe, expect, it } from 'vitest'
import { type Address, addressBytes } from '../../../../src/crypto/address.js'
import { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import type { Channels } from '../../../../src/inference/client/channels.js'
import { Claims } from '../../../../src/inference/client/claims.js'
import { LeftProviders } from '../../../../src/inference/client/left-providers.js'
import { NetworkJobs } from '../../../../src/inference/client/network-jobs.js'
import { signOffer } from '../../../../src/inference/network/offer.js'
import { Payer } from '../../../../src/inference/payment/index.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { CHANNEL, CONTRACT, DOMAIN, MemoryBooks } from '../payment/support.js'
import { candidateOf, openShop, PRICE, SOLD_JOB } from './shop.js'

describe('a provider with receipts of an earlier ledger', () => {
  it('is neither waited for nor left for good: the channel is given up', { timeout: 30_000 }, async () => {
    const shop = await openShop()
    const { pipe, keys, offered } = shop
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
      openAhead: () => pipe.openAhead(),
      request: (...[target, message, ...rest]: Parameters<Host['request']>) =>
        message.name === 'offer' ? { offer } : pipe.request(target, message, ...rest),
    } as unknown as Host
    const left = LeftProviders.passing()
    const givenUp: Address[] = []
    const start = async () => {
      const payer = await Payer.open(
        { domain: DOMAIN, signer: keys.payer, books: new MemoryBooks(true) },
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
    await (await start()).run(SOLD_JOB)
    expect(givenUp).toEqual([])
    const begunMs = performance.now()
    await expect((await start()).run(SOLD_JOB)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('never asked for'),
    })
    expect(performance.now() - begunMs).toBeLessThan(10_000)
    expect(givenUp).toEqual([keys.payee.address])
    expect(left.has(keys.payee.peerId)).toBe(false)
  })
})
