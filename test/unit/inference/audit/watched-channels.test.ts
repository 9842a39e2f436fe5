/** Which channels an auditor watches where there are more than it can: whom decoys push out, and who comes back. */
import { describe, expect, it } from 'vitest'
import type { ChannelEvents } from '../../../../src/chain/index.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { Asking, PATIENCE } from '../../../../src/inference/audit/asking.js'
import { WatchedChannels } from '../../../../src/inference/audit/watched-channels.js'
import {
  NO_RECEIPTS,
  ReceiptKind,
  receiptDigest,
  signReceipt,
} from '../../../../src/inference/payment/index.js'
import { bytes32, DOMAIN } from '../payment/support.js'

const [cheat, honest, nobody] = [41, 42, 43].map(
  (n) => Identity.fromSecret(new Uint8Array(32).fill(n)).address,
)
if (cheat === undefined || honest === undefined || nobody === undefined) throw new Error('no keys')
const MOST = 20
const NOW = 1_900_000_000
const OFFERING = new Set([cheat, honest])
const hex = (n: number): `0x${string}` => `0x${Buffer.from(bytes32(n)).toString('hex')}`

const openings = (payee: typeof cheat, first: number, count: number): ChannelEvents['opened'] =>
  Array.from({ length: count }, (_, i) => ({ channelId: hex(first + i), payer: nobody, payee, endsAt: 1 }))
const eventsOf = (events: Partial<ChannelEvents>): ChannelEvents => ({
  ...{ opened: [], redeemed: [], closed: [] },
  ...events,
})
const watched = () =>
  new WatchedChannels({
    domain: DOMAIN,
    keptSeconds: PATIENCE.keptSeconds,
    most: MOST,
    answered: () => undefined,
  })
const countOf = (channels: WatchedChannels, payee: typeof cheat) => channels.byPayee().get(payee)?.length ?? 0
const has = (channels: WatchedChannels, n: number) => channels.all.has(hex(n).slice(2))

describe('an auditor that has no room for all channels', () => {
  it('watches those of who offers something rather than any number of others, whichever came first', () => {
    const channels = watched()
    channels.watch(eventsOf({ opened: openings(nobody, 0, 10 * MOST) }), OFFERING, NOW)
    channels.watch(eventsOf({ opened: openings(honest, 1000, 3) }), OFFERING, NOW + 1)
    channels.watch(eventsOf({ opened: openings(nobody, 2000, 10 * MOST) }), OFFERING, NOW + 2)
    expect(countOf(channels, honest)).toBe(3)
    expect(channels.size).toBe(MOST)
  })

  it('lets decoys push out no channels but of their own payee, the longest idle first', () => {
    const channels = watched()
    channels.watch(eventsOf({ opened: openings(honest, 0, 5) }), OFFERING, NOW)
    channels.watch(eventsOf({ opened: openings(cheat, 100, 1) }), OFFERING, NOW)
    for (let round = 1; round <= 5; round++)
      channels.watch(eventsOf({ opened: openings(cheat, 1000 * round, 3 * MOST) }), OFFERING, NOW + round)
    expect(countOf(channels, honest)).toBe(5)
    expect(countOf(channels, cheat)).toBe(MOST - 5)
    expect([has(channels, 100), has(channels, 5000 + 3 * MOST - 1)]).toEqual([false, true])
    // What had to go is held to its receipts all the same.
    const redemption = {
      receipts: 3,
      receiptsHead: bytes32(3),
      at: NOW + 9,
      asking: new Asking(NOW, PATIENCE),
    }
    channels.redeemed(hex(100), cheat, redemption)
    channels.watch(eventsOf({}), OFFERING, NOW + 10)
    expect(has(channels, 100)).toBe(true)
    expect(channels.size).toBe(MOST)
  })

  it('forgets what is closed when its window is over and nothing of it waits', () => {
    const channels = watched()
    channels.watch(
      eventsOf({ opened: openings(honest, 0, 3), closed: [{ channelId: hex(0), at: NOW }] }),
      OFFERING,
      NOW,
    )
    const asking = new Asking(NOW, PATIENCE)
    channels.redeemed(hex(1), honest, { receipts: 3, receiptsHead: bytes32(3), at: NOW, asking })
    channels.watch(eventsOf({ closed: [{ channelId: hex(1), at: NOW }] }), OFFERING, NOW + 10)
    expect(channels.size).toBe(3)
    channels.watch(eventsOf({}), OFFERING, NOW + PATIENCE.keptSeconds + 20)
    expect([0, 1, 2].map((n) => has(channels, n))).toEqual([false, true, true])
    channels.all.get(hex(1).slice(2))?.redemptions.shift()
    channels.watch(eventsOf({}), OFFERING, NOW + PATIENCE.keptSeconds + 50)
    expect(channels.size).toBe(1)
    // A new run does not begin with them.
    const again = watched()
    const closed = [0, 1].map((n) => ({ channelId: hex(n), at: NOW }))
    again.watch(eventsOf({ opened: openings(honest, 0, 3), closed }), OFFERING, NOW + 100_000)
    expect(again.size).toBe(1)
  })
})

it('receipts of one payee fill no memory, and push out neither others’ nor those of its smaller channels', () => {
  const [many, few] = [41, 42].map((n) => Identity.fromSecret(new Uint8Array(32).fill(n)))
  if (many === undefined || few === undefined) throw new Error('no keys')
  const channels = new WatchedChannels({
    ...{ domain: DOMAIN, keptSeconds: PATIENCE.keptSeconds, answered: () => undefined },
    mostReceipts: 100,
  })
  channels.watch(
    eventsOf({ opened: [...openings(many.address, 0, 4), ...openings(few.address, 100, 1)] }),
    OFFERING,
    NOW,
  )
  const sizes = new Map([
    ...[60, 60, 60, 5].map((size, n) => [n, { signer: many, size }] as const),
    [100, { signer: few, size: 20 }] as const,
  ])
  for (const [n, { signer, size }] of sizes) {
    let previous: Uint8Array = NO_RECEIPTS
    for (let index = 1; index <= size; index++) {
      const hash = bytes32(index)
      const job = { jobId: hash, model: hash, input: hash, terms: hash, output: hash, units: 1, priceWei: 1n }
      const place = { channelId: bytes32(n), index, previous, kind: ReceiptKind.job }
      const receipt = signReceipt(
        DOMAIN,
        { ...place, ...job, totalWei: BigInt(index), issuedAt: NOW },
        signer,
      )
      previous = receiptDigest(DOMAIN, receipt)
      expect(channels.all.get(hex(n).slice(2))?.take([receipt])).toBe(1)
    }
    channels.boundReceipts()
  }
  const held = [...sizes.keys()].map((n) => channels.all.get(hex(n).slice(2))?.held ?? 0)
  expect(held.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(100)
  expect(held.slice(3)).toEqual([5, 20])
  expect(Math.min(...held.slice(0, 3))).toBeGreaterThan(20)
  // The newest, as they were signed.
  expect(channels.all.get(hex(0).slice(2))?.given(60)).toMatchObject({ index: 60, channelId: bytes32(0) })
  expect(channels.all.get(hex(0).slice(2))?.given(1)).toBeUndefined()
})
