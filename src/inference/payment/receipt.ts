/**
 * Receipts (docs/inference.md): a payee's signed statement of one job and its price. Those of one channel opening form
 * a chain: each has a number, the digest of the one before, and the sum of all prices so far.
 */
import type { Address } from '../../crypto/address.js'
import type { CborValue } from '../../crypto/cbor.js'
import { bytes, enumeration, type Infer, integer, object } from '../../crypto/cbor-schema.js'
import { type TypedDomain, type TypedStructure, typedDigest } from '../../crypto/eip712.js'
import { recoverAddress, SIGNATURE_BYTES, type Signer } from '../../crypto/identity.js'
import { weiSchema, weiToBytes } from './wei.js'

export const RECEIPT: TypedStructure = {
  name: 'Receipt',
  fields: [
    ['bytes32', 'channelId'],
    ['uint64', 'index'],
    ['bytes32', 'previous'],
    ['uint8', 'kind'],
    ['bytes32', 'jobId'],
    ['bytes32', 'model'],
    ['bytes32', 'input'],
    ['bytes32', 'terms'],
    ['bytes32', 'output'],
    ['uint64', 'units'],
    ['uint96', 'priceWei'],
    ['uint96', 'totalWei'],
    ['uint64', 'issuedAt'],
  ],
}

/** The head of a chain without receipts. */
export const NO_RECEIPTS = new Uint8Array(32)
export const ReceiptKind = {
  /** Work done, to be paid. */
  job: 0,
  /** An earlier job whose output was lost at the payee: its price is taken off again. */
  credit: 1,
} as const
export type ReceiptKind = (typeof ReceiptKind)[keyof typeof ReceiptKind]

export interface Receipt {
  readonly channelId: Uint8Array
  /** From 1, without a gap. */
  readonly index: number
  /** Digest of the receipt before; {@link NO_RECEIPTS} for the first. */
  readonly previous: Uint8Array
  readonly kind: ReceiptKind
  /** 32 bytes, chosen by the payer. */
  readonly jobId: Uint8Array
  /** SHA-256 of the model that ran, of the input, and of the job's terms as the payer sent them; zeros in a credit. */
  readonly model: Uint8Array
  readonly input: Uint8Array
  readonly terms: Uint8Array
  /** SHA-256 of the output; in a credit the digest of the receipt that it takes back. */
  readonly output: Uint8Array
  /** Whole units as the provider's offer counts them; 0 in a credit. */
  readonly units: number
  readonly priceWei: bigint
  /** Of this receipt and all before it: credits subtract. */
  readonly totalWei: bigint
  /** Unix seconds. */
  readonly issuedAt: number
}

export interface SignedReceipt extends Receipt {
  /** The payee's, 65 bytes. */
  readonly signature: Uint8Array
}

/** What is signed, and what the next receipt and the vouchers name it by. */
export function receiptDigest(domain: TypedDomain, receipt: Receipt): Uint8Array {
  return typedDigest(domain, RECEIPT, {
    channelId: receipt.channelId,
    index: receipt.index,
    previous: receipt.previous,
    kind: receipt.kind,
    jobId: receipt.jobId,
    model: receipt.model,
    input: receipt.input,
    terms: receipt.terms,
    output: receipt.output,
    units: receipt.units,
    priceWei: receipt.priceWei,
    totalWei: receipt.totalWei,
    issuedAt: receipt.issuedAt,
  })
}

export function isReceiptOf(domain: TypedDomain, receipt: SignedReceipt, payee: Address): boolean {
  return recoverAddress(receiptDigest(domain, receipt), receipt.signature) === payee
}

export function signReceipt(domain: TypedDomain, receipt: Receipt, payee: Signer): SignedReceipt {
  return { ...receipt, signature: payee.sign(receiptDigest(domain, receipt)) }
}

/**
 * Whether two receipts prove a fault of the payee: both signed, for one place in one chain, and not the same.
 * An honest payee keeps each receipt before it sends it, so a restart never makes it sign another one.
 */
export function isContradiction(
  domain: TypedDomain,
  a: SignedReceipt,
  b: SignedReceipt,
  payee: Address,
): boolean {
  return (
    a.index === b.index &&
    Buffer.compare(a.channelId, b.channelId) === 0 &&
    Buffer.compare(receiptDigest(domain, a), receiptDigest(domain, b)) !== 0 &&
    isReceiptOf(domain, a, payee) &&
    isReceiptOf(domain, b, payee)
  )
}

const hash = bytes({ length: 32 })
const count = integer({ max: Number.MAX_SAFE_INTEGER })

/** On the wire and on the disk: a map of these keys. */
export const receiptSchema = object({
  channelId: hash,
  index: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  previous: hash,
  kind: enumeration(ReceiptKind.job, ReceiptKind.credit),
  jobId: hash,
  model: hash,
  input: hash,
  terms: hash,
  output: hash,
  units: count,
  priceWei: weiSchema,
  totalWei: weiSchema,
  issuedAt: count,
  signature: bytes({ length: SIGNATURE_BYTES }),
})
const checked: (receipt: Infer<typeof receiptSchema>) => SignedReceipt = (receipt) => receipt

/** @throws UserError BAD_MESSAGE */
export function readReceipt(value: unknown, path = 'receipt'): SignedReceipt {
  return checked(receiptSchema.read(value, path))
}

export function receiptToCbor(receipt: SignedReceipt): CborValue {
  const { priceWei, totalWei, ...same } = receipt
  return { ...same, priceWei: weiToBytes(priceWei), totalWei: weiToBytes(totalWei) }
}
