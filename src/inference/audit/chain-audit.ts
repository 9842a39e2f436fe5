/**
 * A channel's receipts under audit: a voucher commits to how many there are and to the last one's digest, which holds the
 * digest of the one before, and so on. What is drawn and cannot be produced, or does not fit into the chain, has failed. Pure.
 */
import type { TypedDomain } from '../../crypto/eip712.js'
import { KEPT_RECEIPTS } from '../payment/index.js'
import { receiptDigest, type SignedReceipt } from '../payment/receipt.js'
import type { Voucher } from '../payment/voucher.js'
import { isPlaceSampled } from './sampling.js'

export interface ChainAudit {
  /** Numbers that were drawn. */
  readonly drawn: readonly number[]
  /** Of these: the provider did not produce them, or not those that it committed to. */
  readonly missing: readonly number[]
}

/** A thousand a second for thirty years: no channel has more. */
const MOST_RECEIPTS = 2 ** 40
/** Places that one audit looks at, at most: no provider keeps more receipts of a channel. */
export const MOST_PLACES = KEPT_RECEIPTS

/** The contract logs any 64 bits that a payer signed and its payee redeems: what cannot be a number of receipts is none. */
export const isPossibleCount = (receipts: number): boolean =>
  Number.isSafeInteger(receipts) && receipts >= 0 && receipts <= MOST_RECEIPTS

/**
 * A receipt counts where the committed head leads to it. Nothing counts for its signature alone: the payee can sign any
 * number of chains beside the one that it sold, and an honest one has all that it must keep, without a gap.
 * @param commitment of a redeemed voucher: the contract logs it
 * @param produced what the provider gave of the channel's receipts, in any order
 * @param options.from the first that counts: earlier ones were audited, or are not kept so long
 * @throws RangeError for more places than {@link MOST_PLACES}, or an impossible count
 */
export function auditChain(
  { domain }: { readonly domain: TypedDomain },
  commitment: Pick<Voucher, 'channelId' | 'receipts' | 'receiptsHead'>,
  produced: readonly SignedReceipt[],
  randomness: Uint8Array,
  { permille, from = 1 }: { readonly permille?: number; readonly from?: number } = {},
): ChainAudit {
  const { channelId, receipts, receiptsHead } = commitment
  if (!isPossibleCount(receipts) || receipts - from >= MOST_PLACES)
    throw new RangeError(`an audit of receipts ${from} to ${receipts} of one channel`)
  const byIndex = new Map(produced.map((receipt) => [receipt.index, receipt]))
  const drawn: number[] = []
  const missing: number[] = []
  // Each receipt that fits tells the digest of the one before; behind one that does not, nothing is known to be the chain's.
  let expected: Uint8Array | undefined = receiptsHead
  for (let index = receipts; index >= from; index--) {
    const receipt = byIndex.get(index)
    const isLink: boolean =
      receipt !== undefined &&
      expected !== undefined &&
      Buffer.compare(receiptDigest(domain, receipt), expected) === 0
    if (isPlaceSampled(randomness, channelId, index, permille)) {
      drawn.unshift(index)
      if (!isLink) missing.unshift(index)
    }
    expected = isLink ? receipt?.previous : undefined
  }
  return { drawn, missing }
}
