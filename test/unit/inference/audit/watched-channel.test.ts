/** A channel's receipts as an auditor follows them: gaps, credits, and what is too much. */
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { Asking, PATIENCE } from '../../../../src/inference/audit/asking.js'
import { auditChain, MOST_PLACES } from '../../../../src/inference/audit/chain-audit.js'
import { WatchedChannel } from '../../../../src/inference/audit/watched-channel.js'
import {
  ReceiptKind,
  receiptDigest,
  type SignedReceipt,
  signReceipt,
} from '../../../../src/inference/payment/index.js'
import { bytes32, CHANNEL, DOMAIN } from '../payment/support.js'

const payee = Identity.fromSecret(new Uint8Array(32).fill(21))
const START = 1_900_000_000
const KEPT = 40
const { channelId } = CHANNEL
const everything = new Uint8Array(32).fill(0xff)

function receipt(
  index: number,
  previous: Uint8Array,
  takesBack?: SignedReceipt,
  other: Partial<SignedReceipt> = {},
): SignedReceipt {
  const isCredit = takesBack !== undefined
  const hash = isCredit ? new Uint8Array(32) : bytes32(index)
  return signReceipt(
    DOMAIN,
    {
      ...{ channelId, index, previous, kind: isCredit ? ReceiptKind.credit : ReceiptKind.job },
      ...{ jobId: takesBack?.jobId ?? bytes32(index), model: hash, input: hash, terms: hash },
      output: isCredit ? receiptDigest(DOMAIN, takesBack) : hash,
      ...{ units: isCredit ? 0 : 1, priceWei: 1n, totalWei: BigInt(index), issuedAt: START + index },
      ...other,
    },
    payee,
  )
}

function chainOf(length: number, first = 1): SignedReceipt[] {
  const all: SignedReceipt[] = []
  for (let index = first; index < first + length; index++) {
    const last = all.at(-1)
    all.push(receipt(index, last === undefined ? bytes32(0) : receiptDigest(DOMAIN, last)))
  }
  return all
}

const watched = () => new WatchedChannel(channelId, payee.address, DOMAIN, KEPT)
const redemptionOf = ({ index, ...last }: SignedReceipt) => ({
  receipts: index,
  receiptsHead: receiptDigest(DOMAIN, { index, ...last }),
  at: START,
  asking: new Asking(START, PATIENCE),
})
const waiting = (channel: WatchedChannel) => channel.due(() => true).map(({ receipt: { index } }) => index)

describe('a gap', () => {
  it('is stepped over, and nothing before it is owed where newer receipts made room for themselves', () => {
    const all = chainOf(3 * KEPT)
    const channel = watched()
    expect(channel.take(all.slice(0, 10))).toBe(10)
    expect(channel.take(all.slice(-KEPT))).toBe(KEPT)
    expect(channel.next).toBe(3 * KEPT + 1)
    expect(channel.committed(redemptionOf(all[50] as SignedReceipt))).toMatchObject({ produced: [] })
    expect(channel.committed(redemptionOf(all[50] as SignedReceipt)).from).toBeGreaterThan(51)
  })

  it('hides nothing that must be there: neither behind a receipt that was made up, nor behind credits', () => {
    const honest = chainOf(20)
    const last = honest.at(-1) as SignedReceipt
    const madeUp = watched()
    madeUp.take([...honest.slice(0, 5), receipt(1_000_000, bytes32(1))])
    expect(madeUp.committed(redemptionOf(last))).toMatchObject({ from: 1 })
    const credits: SignedReceipt[] = []
    for (let index = 500; index < 500 + KEPT; index++) {
      const before = credits.at(-1)
      credits.push(receipt(index, before === undefined ? bytes32(0) : receiptDigest(DOMAIN, before), last))
    }
    const credited = watched()
    expect(credited.take([...honest.slice(0, 5), ...credits])).toBe(5 + KEPT)
    expect(credited.committed(redemptionOf(last))).toMatchObject({ from: 1 })
  })
})

describe('a redemption whose receipts are read in parts', () => {
  it('waits for newer ones that may have made room, and no longer', () => {
    const all = chainOf(3 * KEPT)
    const early = redemptionOf(all[19] as SignedReceipt)
    const channel = watched()
    // All before are gone when it begins: so many newer ones there are, and it has not read them yet.
    channel.take(all.slice(-KEPT, -KEPT + 10))
    expect(channel.isReached(early)).toBe(false)
    channel.take(all.slice(-KEPT + 10))
    expect(channel.isReached(early)).toBe(true)
    expect(channel.committed(early).from).toBeGreaterThan(early.receipts)
  })

  it('waits for nothing where what it commits to is there, however many more come', () => {
    const all = chainOf(30)
    const channel = watched()
    channel.take(all.slice(0, 20))
    expect(channel.isReached(redemptionOf(all[19] as SignedReceipt))).toBe(true)
    expect(channel.isReached(redemptionOf(all[20] as SignedReceipt))).toBe(false)
  })

  it('is not put off by gap after gap', () => {
    const early = redemptionOf(receipt(20, bytes32(0)))
    const channel = watched()
    let taken = 0
    for (let first = 100; !channel.isReached(early) && first < 1000; first += 10)
      taken += channel.take(chainOf(5, first))
    expect(taken).toBe(2 * KEPT)
    expect(channel.committed(early)).toMatchObject({ from: 1, produced: [] })
  })
})

describe('a chain of receipts', () => {
  const who = { domain: DOMAIN, payee: payee.address }
  const all = chainOf(30)
  const { receiptsHead } = redemptionOf(all.at(-1) as SignedReceipt)
  const missingOf = (produced: readonly SignedReceipt[], from = 1) =>
    auditChain(who, { channelId, receipts: 30, receiptsHead }, produced, everything, { permille: 1000, from })
      .missing

  it('is whole where the committed head leads to all of it, in whatever order it came', () => {
    expect(missingOf(all)).toEqual([])
    expect(missingOf([...all].reverse())).toEqual([])
    expect(missingOf(all.slice(10), 11)).toEqual([])
  })

  it('lacks all behind what lacks: a signature alone is no place in it', () => {
    const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1)
    expect(missingOf(all.filter(({ index }) => index !== 17))).toEqual(upTo(17))
    expect(missingOf(all.map((each) => (each.index === 17 ? receipt(17, bytes32(9)) : each)))).toEqual(
      upTo(17),
    )
    expect(missingOf(all.slice(0, -1))).toEqual(upTo(30))
  })
})

describe('a credit', () => {
  const [first, second] = chainOf(2) as [SignedReceipt, SignedReceipt]
  const credit = receipt(3, receiptDigest(DOMAIN, second), first)

  it('that is seen before the round of the job that it takes back excuses this job alone', () => {
    const channel = watched()
    channel.take([first, second], () => true)
    expect(channel.take([credit], () => true)).toBe(1)
    expect(waiting(channel)).toEqual([2])
  })

  it('that gives back another price, or names another job, excuses nothing', () => {
    for (const other of [{ priceWei: 0n }, { priceWei: 2n }, { jobId: second.jobId }]) {
      const channel = watched()
      channel.take([first, second], () => true)
      const wrong = receipt(3, receiptDigest(DOMAIN, second), first, other)
      expect(channel.take([wrong], () => true)).toBe(1)
      expect(waiting(channel)).toEqual([1, 2])
    }
  })

  it('that is seen after the round excuses nothing, whatever its date', () => {
    const channel = watched()
    channel.take([first, second], () => true)
    expect(channel.take([credit], ({ index }) => index !== first.index)).toBe(1)
    expect(waiting(channel)).toEqual([1, 2])
  })
})

it('no audit looks at more places than a provider keeps, nor at a number that cannot be', () => {
  const who = { domain: DOMAIN, payee: payee.address }
  const commitment = { channelId, receiptsHead: bytes32(1) }
  for (const [receipts, from] of [
    [2 ** 60, 2 ** 60],
    [2 ** 41, 2 ** 41],
    [MOST_PLACES + 1, 1],
  ] as const)
    expect(() => auditChain(who, { ...commitment, receipts }, [], everything, { from })).toThrow(RangeError)
})

it('redemptions that wait are bounded: a later one commits to what an earlier one did', () => {
  const channel = watched()
  const one = redemptionOf(receipt(1, bytes32(0)))
  for (let receipts = 1; receipts <= 250; receipts++) channel.redeemed({ ...one, receipts })
  expect(channel.redemptions).toHaveLength(100)
  expect(channel.redemptions.at(-1)).toMatchObject({ receipts: 250 })
})
