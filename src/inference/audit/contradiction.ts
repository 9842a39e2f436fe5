/**
 * A payee that shows auditors another chain of receipts than the one that it was paid for contradicts itself: its redemption
 * on the chain, which it alone can send, names one receipt of a number, and its signature stands under another one. Pure.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Redemption } from '../../chain/index.js'
import { type Address, addressOfPublicKey } from '../../crypto/address.js'
import { type CborValue, decode, encode } from '../../crypto/cbor.js'
import { bytes, enumeration, integer, object, type Schema } from '../../crypto/cbor-schema.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { publicKeySchema } from '../../crypto/public-key-schema.js'
import { UserError } from '../../errors.js'
import {
  isReceiptOf,
  readReceipt,
  receiptDigest,
  receiptToCbor,
  type SignedReceipt,
} from '../payment/receipt.js'
import type { Voucher } from '../payment/voucher.js'

/**
 * What convinces a stranger, once the chain shows it the redemption of `receipt.channelId` with so many receipts and this head.
 * Without the chain it proves nothing: anybody may write some head beside a receipt that an honest provider signed.
 */
export interface Contradiction {
  /** Whose receipt and redemption it is. */
  readonly provider: Uint8Array
  readonly domain: TypedDomain
  /** Shown to an auditor. */
  readonly receipt: SignedReceipt
  /** Of the redemption: the digest of another receipt of the same number. */
  readonly receiptsHead: Uint8Array
}

/** Whether a payee signed another receipt than the last one that its redemption commits to. */
export function isContradicted(
  { domain, payee }: { readonly domain: TypedDomain; readonly payee: Address },
  { channelId, receipts, receiptsHead }: Pick<Voucher, 'channelId' | 'receipts' | 'receiptsHead'>,
  receipt: SignedReceipt,
): boolean {
  return (
    receipt.index === receipts &&
    Buffer.compare(receipt.channelId, channelId) === 0 &&
    Buffer.compare(receiptDigest(domain, receipt), receiptsHead) !== 0 &&
    isReceiptOf(domain, receipt, payee)
  )
}

/**
 * Whether the other half is true as well: the payee redeemed the channel with so many receipts and this head.
 * @param redemptions that the chain has, of the contract of the contradiction's domain
 */
export function isRedeemed(
  { provider, receipt, receiptsHead }: Contradiction,
  redemptions: readonly Pick<Redemption, 'channelId' | 'payee' | 'receipts' | 'receiptsHead'>[],
): boolean {
  const payee = addressOfPublicKey(provider)
  const [channelId, head] = [receipt.channelId, receiptsHead].map((each) => `0x${bytesToHex(each)}`)
  return redemptions.some(
    (each) =>
      each.channelId === channelId &&
      each.payee.toLowerCase() === payee.toLowerCase() &&
      each.receipts === receipt.index &&
      each.receiptsHead === head,
  )
}

export const MAX_CONTRADICTION_BYTES = 2048

const receiptSchema: Schema<SignedReceipt> = { read: readReceipt }
const schema = object({
  version: enumeration(1),
  chainId: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  contract: bytes({ length: 20 }),
  provider: publicKeySchema,
  receipt: receiptSchema,
  receiptsHead: bytes({ length: 32 }),
})

export function encodeContradiction({ domain, provider, receipt, receiptsHead }: Contradiction): Uint8Array {
  const { chainId, verifyingContract: contract } = domain
  const value: CborValue = {
    ...{ version: 1, chainId, contract, provider, receiptsHead },
    receipt: receiptToCbor(receipt),
  }
  return encode(value)
}

/** @throws UserError BAD_MESSAGE; VERIFICATION_FAILED where the provider did not sign that receipt, or it is the redeemed one */
export function decodeContradiction(encoded: Uint8Array): Contradiction {
  const value = schema.read(decode(encoded, { maxBytes: MAX_CONTRADICTION_BYTES }), 'contradiction')
  const { chainId, contract, provider, receipt, receiptsHead } = value
  const domain = { chainId, verifyingContract: contract }
  const { channelId, index: receipts } = receipt
  const payee = addressOfPublicKey(provider)
  if (!isContradicted({ domain, payee }, { channelId, receipts, receiptsHead }, receipt))
    throw new UserError('the provider did not sign another receipt than the redeemed one', {
      code: 'VERIFICATION_FAILED',
    })
  return { domain, provider, receipt, receiptsHead }
}
