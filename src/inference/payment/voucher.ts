/**
 * Vouchers (docs/inference.md): a payer's signed statement of everything it ever paid in one opening of a channel, and
 * of the receipts it holds for that. Of two vouchers the one with the larger amount replaces the other.
 */
import { type Address, addressBytes } from '../../crypto/address.js'
import type { CborValue } from '../../crypto/cbor.js'
import { bytes, type Infer, integer, object } from '../../crypto/cbor-schema.js'
import { type TypedDomain, type TypedStructure, typedDigest } from '../../crypto/eip712.js'
import { recoverAddress, SIGNATURE_BYTES, type Signer } from '../../crypto/identity.js'
import { weiSchema, weiToBytes } from './wei.js'

export const VOUCHER: TypedStructure = {
  name: 'Voucher',
  fields: [
    ['bytes32', 'channelId'],
    ['uint96', 'amountWei'],
    ['uint64', 'receipts'],
    ['bytes32', 'receiptsHead'],
  ],
}

export interface Voucher {
  /** 32 bytes: chain, contract, payer, payee and the opening's nonce are inside. */
  readonly channelId: Uint8Array
  /** Everything paid so far. */
  readonly amountWei: bigint
  /** Receipts held, the first to the last without a gap. */
  readonly receipts: number
  /** Digest of the last one, which holds the digest of the one before; 32 zero bytes for none. */
  readonly receiptsHead: Uint8Array
}

export interface SignedVoucher extends Voucher {
  /** 65 bytes, r || s || v, low s. */
  readonly signature: Uint8Array
}

/** The EIP-712 domain of vouchers and receipts: the PaymentChannels contract's. */
export function paymentDomain(chainId: number, contract: Address): TypedDomain {
  return { chainId, verifyingContract: addressBytes(contract) }
}

/** What the payer signs; equals `PaymentChannels.voucherDigest`. */
export function voucherDigest(domain: TypedDomain, voucher: Voucher): Uint8Array {
  const { channelId, amountWei, receipts, receiptsHead } = voucher
  return typedDigest(domain, VOUCHER, { channelId, amountWei, receipts, receiptsHead })
}

export function signVoucher(domain: TypedDomain, voucher: Voucher, payer: Signer): SignedVoucher {
  return { ...voucher, signature: payer.sign(voucherDigest(domain, voucher)) }
}

export function isVoucherOf(domain: TypedDomain, voucher: SignedVoucher, payer: Address): boolean {
  return recoverAddress(voucherDigest(domain, voucher), voucher.signature) === payer
}

/** On the wire: a map of these keys. */
export const voucherSchema = object({
  channelId: bytes({ length: 32 }),
  amountWei: weiSchema,
  receipts: integer({ max: Number.MAX_SAFE_INTEGER }),
  receiptsHead: bytes({ length: 32 }),
  signature: bytes({ length: SIGNATURE_BYTES }),
})
const checked: (voucher: Infer<typeof voucherSchema>) => SignedVoucher = (voucher) => voucher

/** @throws UserError BAD_MESSAGE */
export function readVoucher(value: unknown, path = 'voucher'): SignedVoucher {
  return checked(voucherSchema.read(value, path))
}

export function voucherToCbor(voucher: SignedVoucher): CborValue {
  const { channelId, amountWei, receipts, receiptsHead, signature } = voucher
  return { channelId, amountWei: weiToBytes(amountWei), receipts, receiptsHead, signature }
}
