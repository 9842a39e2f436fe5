/** The laboratory's second chain for auditors, part by part: one chain, signed by the provider, whatever is asked first. */
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../src/crypto/identity.js'
import { decodeTerms, hashOf } from '../../../src/inference/network/job-codec.js'
import {
  isReceiptOf,
  NO_RECEIPTS,
  ReceiptKind,
  receiptDigest,
  type SignedReceipt,
  signReceipt,
} from '../../../src/inference/payment/index.js'
import { forkingProvider, MADE_UP_TERMS, shownChain } from '../../../src/lab/adversary/provider.js'
import { bytes32, CHANNEL, DOMAIN } from '../inference/payment/support.js'

const provider = Identity.fromSecret(new Uint8Array(32).fill(71))
const sold: SignedReceipt[] = []
let previous: Uint8Array = NO_RECEIPTS
for (let index = 1; index <= 5; index++) {
  const place = {
    channelId: CHANNEL.channelId,
    index,
    previous,
    kind: ReceiptKind.job,
    jobId: bytes32(index),
  }
  const work = { model: bytes32(2), input: bytes32(3), terms: bytes32(4), output: bytes32(5), units: 1 }
  const money = { priceWei: 1n, totalWei: BigInt(index), issuedAt: 1_900_000_000 }
  const receipt = signReceipt(DOMAIN, { ...place, ...work, ...money }, provider)
  previous = receiptDigest(DOMAIN, receipt)
  sold.push(receipt)
}

describe('a second chain for auditors', () => {
  it('goes on where it ended, and is the same to who asks again', () => {
    const whole = shownChain('forked-chain', sold, { domain: DOMAIN, signer: provider })
    for (const [i, receipt] of whole.entries()) {
      expect(isReceiptOf(DOMAIN, receipt, provider.address)).toBe(true)
      expect(receiptDigest(DOMAIN, receipt)).not.toEqual(receiptDigest(DOMAIN, sold[i] ?? receipt))
    }
    const fork = forkingProvider('forked-chain', provider)
    const shown = (from: number, to: number) => fork.shownReceipts(sold.slice(from - 1, to), DOMAIN)
    expect(shown(1, 2)).toEqual(whole.slice(0, 2))
    expect(shown(3, 5)).toEqual(whole.slice(2))
    expect(shown(1, 5)).toEqual(whole)
    expect(shown(6, 5)).toEqual([])
    const headless = forkingProvider('headless-fork', provider)
    expect(headless.shownReceipts(sold.slice(0, 3), DOMAIN)).toEqual(whole.slice(0, 2))
    expect(headless.shownReceipts(sold.slice(2, 5), DOMAIN)).toEqual(whole.slice(2, 4))
    // What was forgotten with a restart cannot be gone on with.
    expect(forkingProvider('forked-chain', provider).shownReceipts(sold.slice(2), DOMAIN)).toEqual([])
  })

  it('says of its own receipts that nobody may audit them, and of others what is kept', async () => {
    const fork = forkingProvider('forked-chain', provider)
    const [made] = fork.shownReceipts(sold, DOMAIN)
    if (made === undefined) throw new Error('nothing is shown')
    const kept = async () => ({
      kind: 'evidence' as const,
      terms: bytes32(1),
      input: bytes32(2),
      output: bytes32(3),
    })
    expect(await fork.evidence(receiptDigest(DOMAIN, made), kept)).toEqual({
      ...{ kind: 'optedOut', terms: MADE_UP_TERMS },
    })
    expect(hashOf(MADE_UP_TERMS)).toEqual(made.terms)
    expect(decodeTerms(MADE_UP_TERMS).audit).toBe(false)
    expect(await fork.evidence(bytes32(9), kept)).toEqual(await kept())
  })
})
