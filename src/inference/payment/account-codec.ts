/** Accounts on the disk: deterministic CBOR, checked when it is read. */
import type { Address } from '../../crypto/address.js'
import { type CborValue, decode, encode } from '../../crypto/cbor.js'
import {
  array,
  bytes,
  enumeration,
  type Infer,
  integer,
  object,
  optional,
  type Schema,
  text,
} from '../../crypto/cbor-schema.js'
import type { PayeeAccount } from './payee-account.js'
import type { PayerAccount } from './payer-account.js'
import { voucherSchema, voucherToCbor } from './voucher.js'
import { weiSchema, weiToBytes } from './wei.js'

/** Far above what the limits on jobs under way let an account hold. */
const MAX_JOBS = 4096
const MAX_ACCOUNT_BYTES = 4 * 1_048_576
/** Raise it together with a reader of the former one. */
const VERSION = 1

const hash = bytes({ length: 32 })
const count = integer({ max: Number.MAX_SAFE_INTEGER })
const address: Schema<Address> = text({
  max: 42,
  pattern: /^0x[0-9a-fA-F]{40}$/,
  what: 'an address',
}) as Schema<Address>

const common = {
  version: enumeration(VERSION),
  channelId: hash,
  nonce: count,
  depositWei: weiSchema,
  endsAt: count,
  head: hash,
  totalWei: weiSchema,
  voucher: optional(voucherSchema),
}

const payerSchema = object({
  ...common,
  payee: address,
  receipts: count,
  asked: array(
    object({
      jobId: hash,
      model: hash,
      input: hash,
      terms: hash,
      maxPriceWei: weiSchema,
      askedAt: optional(count),
    }),
    { max: MAX_JOBS },
  ),
  undelivered: array(object({ jobId: hash, receipt: hash, priceWei: weiSchema, output: hash }), {
    max: MAX_JOBS,
  }),
})

const payeeSchema = object({
  ...common,
  payer: address,
  redeemedWei: weiSchema,
  issued: count,
  committedWei: weiSchema,
  unpaid: array(object({ index: count, digest: hash, totalWei: weiSchema }), { max: MAX_JOBS }),
  owed: array(object({ jobId: hash, index: count, digest: hash, priceWei: weiSchema }), {
    max: MAX_JOBS,
  }),
  /** Absent where it is 0. */
  forgivenWei: optional(weiSchema),
})

type Common = Pick<
  PayerAccount,
  'channelId' | 'nonce' | 'depositWei' | 'endsAt' | 'head' | 'totalWei' | 'voucher'
>

function commonToCbor(account: Common): { readonly [key: string]: CborValue } {
  const { channelId, nonce, depositWei, endsAt, head, totalWei, voucher } = account
  return {
    version: VERSION,
    channelId,
    nonce,
    depositWei: weiToBytes(depositWei),
    endsAt,
    head,
    totalWei: weiToBytes(totalWei),
    ...(voucher === null ? {} : { voucher: voucherToCbor(voucher) }),
  }
}

export function encodePayerAccount(account: PayerAccount): Uint8Array {
  const { payee, receipts, asked, undelivered } = account
  return encode({
    ...commonToCbor(account),
    payee,
    receipts,
    asked: asked.map(({ maxPriceWei, askedAt, ...job }) => ({
      ...job,
      maxPriceWei: weiToBytes(maxPriceWei),
      ...(askedAt === undefined ? {} : { askedAt }),
    })),
    undelivered: undelivered.map((job) => ({ ...job, priceWei: weiToBytes(job.priceWei) })),
  })
}

/** @throws UserError BAD_MESSAGE */
export function decodePayerAccount(stored: Uint8Array): PayerAccount {
  const value: Infer<typeof payerSchema> = payerSchema.read(read(stored), 'payer account')
  const { version: _, voucher = null, ...same } = value
  return { ...same, voucher }
}

/** Without the jobs under way: a restart loses their work. */
export function encodePayeeAccount(account: PayeeAccount): Uint8Array {
  const { payer, redeemedWei, issued, committedWei, unpaid, owed, forgivenWei } = account
  return encode({
    ...commonToCbor(account),
    payer,
    redeemedWei: weiToBytes(redeemedWei),
    issued,
    committedWei: weiToBytes(committedWei),
    unpaid: unpaid.map((each) => ({ ...each, totalWei: weiToBytes(each.totalWei) })),
    owed: owed.map((job) => ({ ...job, priceWei: weiToBytes(job.priceWei) })),
    ...(forgivenWei === 0n ? {} : { forgivenWei: weiToBytes(forgivenWei) }),
  })
}

/** @throws UserError BAD_MESSAGE */
export function decodePayeeAccount(stored: Uint8Array): PayeeAccount {
  const value: Infer<typeof payeeSchema> = payeeSchema.read(read(stored), 'payee account')
  const { version: _, voucher = null, forgivenWei = 0n, ...same } = value
  return { ...same, voucher, forgivenWei, running: [] }
}

const read = (stored: Uint8Array): CborValue => decode(stored, { maxBytes: MAX_ACCOUNT_BYTES })
