/** An auditor asks one provider for the receipts of many channels: over a real connection, with the provider's real limits. */
import { expect, it } from 'vitest'
import type { ChannelEvents } from '../../../../src/chain/index.js'
import { localBeacon } from '../../../../src/crypto/beacon.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { Following } from '../../../../src/inference/audit/following.js'
import { NetworkAudit } from '../../../../src/inference/audit/network-audit.js'
import { WatchedChannel } from '../../../../src/inference/audit/watched-channel.js'
import { CHANNELS_AT_ONCE, RECEIPTS_MESSAGE } from '../../../../src/inference/network/messages.js'
import { readOffer, signOffer } from '../../../../src/inference/network/offer.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { addressOf, echo, startHost } from '../../p2p/hosts.js'
import { bytes32, DOMAIN } from '../payment/support.js'

const secret = new Uint8Array(32).fill(9)
secret[0] = 1
const beacon = localBeacon(secret, { genesisTimeSeconds: 1_000_000_000, periodSeconds: 3 })
const [provider, auditor] = [Identity.generate(), Identity.generate()]
const hex = (bytes: Uint8Array): `0x${string}` => `0x${Buffer.from(bytes).toString('hex')}`

/** More than a provider answers requests in a minute, were each for one. */
const CHANNELS = 300

it('each channel of a provider is asked for in each round, within its limits, in an order that turns', async () => {
  const sells = await startHost({}, provider)
  const audits = await startHost({ listen: [] }, auditor)
  const asked: string[][] = []
  await sells.handle(RECEIPTS_MESSAGE, async ({ channels }) => {
    asked.push(channels.map(({ channelId }) => hex(channelId)))
    return { answers: channels.map(() => ({ receipts: [] })) }
  })
  const opened = Array.from({ length: CHANNELS }, (_, i) => ({
    ...{ channelId: hex(bytes32(i)), payer: auditor.address, payee: provider.address, endsAt: 2e9 },
  }))
  let events: ChannelEvents = { opened, redeemed: [], closed: [] }
  const content = { models: [], queue: 1, keptSeconds: 0, audited: true }
  const addresses = [addressOf(sells).replace(/\/p2p\/.*/, '')]
  const offer = readOffer(signOffer(provider, { ...content, addresses }, Date.now()))
  const audit = new NetworkAudit({
    ...{ host: audits, beacon, signer: auditor, log: silentLogger, domain: DOMAIN, now: Date.now },
    randomness: async () => new Uint8Array(32),
    openExecutions: () => Promise.reject(new Error('nothing is to be run')),
    events: async () => {
      const found = events
      events = { opened: [], redeemed: [], closed: [] }
      return found
    },
    offers: () => [offer],
    isSeated: async () => true,
    isFound: () => false,
    onFinding: async () => {},
    keep: async () => {},
  })
  const rounds = 5
  for (let round = 0; round < rounds; round++) await audit.round(new AbortController().signal)
  const times = new Map<string, number>()
  for (const each of asked.flat()) times.set(each, (times.get(each) ?? 0) + 1)
  expect(audit.channels).toBe(CHANNELS)
  expect([...times.values()]).toEqual(Array.from({ length: CHANNELS }, () => rounds))
  expect(asked.length).toBe(rounds * Math.ceil(CHANNELS / CHANNELS_AT_ONCE))
  // Who was asked last begins the next time.
  expect(asked[2]?.[0]).toBe(asked[0]?.[0])
})

it('a provider that is asked too much says so, blames nobody, and is left alone at once', async () => {
  const sells = await startHost({}, provider)
  const audits = await startHost({ listen: [] }, auditor)
  let answered = 0
  await sells.handle(RECEIPTS_MESSAGE, async ({ channels }) => {
    answered++
    return { answers: channels.map(() => ({ receipts: [] })) }
  })
  await sells.handle(echo, async (text) => text)
  const address = addressOf(sells)
  // So many excesses would be a ban, were they anybody's fault.
  let limited = 0
  for (let request = 0; request < 400 && limited < 55; request++)
    limited += await audits
      .request(address, RECEIPTS_MESSAGE, { channels: [{ channelId: bytes32(1), from: 1 }] })
      .then(
        () => 0,
        ({ code }: { readonly code: string }) => (code === 'RATE_LIMITED' ? 1 : 0),
      )
  expect(limited).toBe(55)
  expect(await audits.request(address, echo, 'still welcome')).toBe('still welcome')

  const channels = Array.from(
    { length: 10 * CHANNELS_AT_ONCE },
    (_, i) => new WatchedChannel(bytes32(i), provider.address, DOMAIN),
  )
  const known = { target: address, publicKey: provider.publicKey, name: 'provider' }
  const signal = new AbortController().signal
  let requests = 0
  const before = answered
  const following = new Following({
    ...{ log: silentLogger, now: Date.now, isSeated: async () => true, isOpen: () => false },
    host: {
      request: async (...args: Parameters<typeof audits.request>) => {
        requests++
        return audits.request(...args)
      },
    } as unknown as Pick<typeof audits, 'request'>,
  })
  const followed = await following.follow(known, channels, signal)
  expect(requests).toBeLessThanOrEqual(1 + answered - before)
  expect([...followed.values()].filter((each) => each === 'refused')).toEqual([])
})
