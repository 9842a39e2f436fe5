/**
 * A payer's side of one channel opening, as pure steps from one state to the next: which jobs it asked for, which
 * receipts it holds, what it paid, and what it paid for without having it yet.
 *
 *     begin -> (receipt) acceptReceipt -> dueVoucher -> (signed, kept, sent) -> deliver
 *                        acceptReceipt of a credit takes a lost job's price off again
 *
 * What a payer can lose is decided in `begin`, before anything is asked for: the prices of jobs under way and of paid
 * outputs that are not there stay within `exposureWei`.
 */
import { lackOfMoney } from '../../chain/ether.js'
import type { Address } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { UserError } from '../../errors.js'
import { isReceiptOf, NO_RECEIPTS, ReceiptKind, receiptDigest, type SignedReceipt } from './receipt.js'
import { busy, busyWith, refused, wrong } from './refusal.js'
import { isVoucherOf, type SignedVoucher, type Voucher } from './voucher.js'
import { largest } from './wei.js'

/** What a payer asks for: the receipt must say the same. */
export interface AskedJob {
  /** 32 bytes, never used twice. */
  readonly jobId: Uint8Array
  readonly model: Uint8Array
  readonly input: Uint8Array
  readonly terms: Uint8Array
  /** What it may cost at most. */
  readonly maxPriceWei: bigint
  /** Unix seconds by the payer's clock; unknown of jobs that stand in ledgers of before. */
  readonly askedAt?: number | undefined
}

/** Paid, and not there yet. */
export interface UndeliveredJob {
  readonly jobId: Uint8Array
  /** Digest of its receipt: what a credit names. */
  readonly receipt: Uint8Array
  readonly priceWei: bigint
  /** SHA-256 of what must come. */
  readonly output: Uint8Array
}

export interface PayerAccount {
  readonly channelId: Uint8Array
  readonly payee: Address
  readonly nonce: number
  /** As the chain has it. */
  readonly depositWei: bigint
  readonly endsAt: number
  /** Receipts accepted, the digest of the last, and its total. */
  readonly receipts: number
  readonly head: Uint8Array
  readonly totalWei: bigint
  /** The newest voucher that was signed. */
  readonly voucher: SignedVoucher | null
  readonly asked: readonly AskedJob[]
  readonly undelivered: readonly UndeliveredJob[]
}

export interface PayerLimits {
  /** Most that jobs under way and paid outputs still missing may cost together: the most one provider can cost. */
  readonly exposureWei: bigint
  /** Jobs under way, and outputs missing, at most. */
  readonly maxJobs: number
}

export interface ChannelTerms {
  readonly channelId: Uint8Array
  readonly nonce: number
  readonly depositWei: bigint
  readonly endsAt: number
}

export function newPayerAccount(payee: Address, channel: ChannelTerms): PayerAccount {
  const { channelId, nonce, depositWei, endsAt } = channel
  return {
    channelId,
    payee,
    nonce,
    depositWei,
    endsAt,
    receipts: 0,
    head: NO_RECEIPTS,
    totalWei: 0n,
    voucher: null,
    asked: [],
    undelivered: [],
  }
}

const sum = (values: readonly bigint[]): bigint => values.reduce((total, each) => total + each, 0n)
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** What jobs under way may cost, and what was paid for outputs that are not there. */
export function payerExposure({ asked, undelivered }: PayerAccount): bigint {
  return sum(asked.map(({ maxPriceWei }) => maxPriceWei)) + sum(undelivered.map(({ priceWei }) => priceWei))
}

/** What was paid for, and is there. */
export function payerReceived({ totalWei, undelivered }: PayerAccount): bigint {
  return totalWei - sum(undelivered.map(({ priceWei }) => priceWei))
}

/** Of the deposit, not spoken for. */
export function payerFree(account: PayerAccount): bigint {
  const paid = account.voucher?.amountWei ?? 0n
  const spoken = largest(paid, account.totalWei + sum(account.asked.map(({ maxPriceWei }) => maxPriceWei)))
  return largest(0n, account.depositWei - spoken)
}

/**
 * Before a job is asked for.
 * @throws UserError DENIED with have and need where the deposit does not suffice, or the exposure limit never will; BUSY, with
 *   them where it does not at the moment; EXISTS
 */
export function begin(account: PayerAccount, job: AskedJob, limits: PayerLimits): PayerAccount {
  const { asked, undelivered, totalWei, depositWei } = account
  if ([...asked, ...undelivered].some(({ jobId }) => sameBytes(jobId, job.jobId)))
    throw refused('a job of this id is under way', 'EXISTS', 'choose another id')
  if (asked.length + undelivered.length >= limits.maxJobs)
    throw busy(
      'jobs under way with this provider',
      asked.length + undelivered.length,
      limits.maxJobs,
      'wait for one of them',
    )
  const spoken = totalWei + sum(asked.map(({ maxPriceWei }) => maxPriceWei))
  if (spoken + job.maxPriceWei > depositWei)
    throw lackOfMoney(
      'the channel is underfunded',
      largest(0n, depositWei - spoken),
      job.maxPriceWei,
      'top it up, or ask for less',
    )
  const exposure = payerExposure(account)
  if (exposure + job.maxPriceWei > limits.exposureWei) {
    const lack = lackOfMoney(
      'the exposure to this provider is at its limit',
      largest(0n, limits.exposureWei - exposure),
      job.maxPriceWei,
      'wait for outputs that are paid, or raise the limit',
    )
    if (job.maxPriceWei > limits.exposureWei) throw lack
    throw busyWith(lack)
  }
  return { ...account, asked: [...asked, job] }
}

/** The payee said that no receipt will come for a job. */
export function dropJob(account: PayerAccount, jobId: Uint8Array): PayerAccount {
  return { ...account, asked: account.asked.filter((job) => !sameBytes(job.jobId, jobId)) }
}

/**
 * Takes the next receipt of the chain.
 * @returns the account as it was for one that it holds already; undefined where one before it is missing
 * @throws UserError VERIFICATION_FAILED for a receipt that no honest payee signs: leave this provider
 */
export function acceptReceipt(
  domain: TypedDomain,
  account: PayerAccount,
  receipt: SignedReceipt,
): PayerAccount | undefined {
  if (!sameBytes(receipt.channelId, account.channelId)) throw wrong('the receipt is of another channel')
  if (receipt.index <= account.receipts) return account
  if (receipt.index > account.receipts + 1) return undefined
  if (!isReceiptOf(domain, receipt, account.payee)) throw wrong('the receipt is not signed by the provider')
  if (!sameBytes(receipt.previous, account.head))
    throw wrong('the receipt does not follow the one before: the provider rewrote its chain', {
      index: receipt.index,
    })
  const digest = receiptDigest(domain, receipt)
  const next = { ...account, receipts: receipt.index, head: digest, totalWei: receipt.totalWei }
  return receipt.kind === ReceiptKind.job
    ? { ...next, ...acceptJob(account, receipt, digest) }
    : { ...next, ...acceptCredit(account, receipt) }
}

function acceptJob(
  account: PayerAccount,
  receipt: SignedReceipt,
  digest: Uint8Array,
): Pick<PayerAccount, 'asked' | 'undelivered'> {
  const { jobId, priceWei, output } = receipt
  const job = account.asked.find((each) => sameBytes(each.jobId, jobId))
  if (job === undefined) throw notAskedFor(account)
  for (const what of ['model', 'input', 'terms'] as const)
    if (!sameBytes(job[what], receipt[what])) throw wrong(`the receipt names another ${what}`)
  if (priceWei > job.maxPriceWei)
    throw wrong(`the receipt asks for more than was agreed: ${priceWei} wei, at most ${job.maxPriceWei}`, {
      haveWei: job.maxPriceWei.toString(),
      needWei: priceWei.toString(),
    })
  if (receipt.totalWei !== account.totalWei + priceWei) throw wrong("the receipt's total is not the sum")
  return {
    asked: account.asked.filter((each) => each !== job),
    undelivered: [...account.undelivered, { jobId, receipt: digest, priceWei, output }],
  }
}

/**
 * A voucher commits to receipts that are on the disk before it leaves. One of this key that commits to more than the ledger
 * holds was signed by a later ledger, of which this is an older copy, or by another one of the key: nobody cheats.
 * @throws UserError UNAVAILABLE then; VERIFICATION_FAILED where this payer never signed it
 */
export function requireKnown(
  domain: TypedDomain,
  account: PayerAccount,
  voucher: SignedVoucher,
  payer: Address,
): void {
  if (!sameBytes(voucher.channelId, account.channelId) || !isVoucherOf(domain, voucher, payer))
    throw wrong('the provider shows a voucher that this key never signed')
  if (voucher.receipts > account.receipts)
    throw ofOtherLedger(
      'the provider has a voucher of this key that this ledger does not know: it is an older copy',
    )
}

/**
 * Where this ledger holds no receipt yet, an earlier one of its key may have asked for the job: nothing was lost by that, and it
 * says no more of a provider than a refusal.
 */
function notAskedFor({ receipts }: PayerAccount): UserError {
  if (receipts > 0) return wrong('the receipt is of a job that was not asked for')
  return ofOtherLedger('the provider has receipts of this channel that this ledger never asked for')
}

/** Payer and payee do not have the same receipts, and neither cheats: one of their ledgers is not the one that was used. */
export function ofOtherLedger(what: string): UserError {
  return new UserError(what, {
    code: 'UNAVAILABLE',
    remedy: 'choose another provider until the channel is closed',
    details: { isOfOtherLedger: true },
  })
}

/** Whether a failure is one of {@link ofOtherLedger}. */
export const isOfOtherLedger = (error: unknown): boolean =>
  error instanceof UserError && error.details.isOfOtherLedger === true

function acceptCredit(account: PayerAccount, receipt: SignedReceipt): Pick<PayerAccount, 'undelivered'> {
  const { jobId, priceWei, output } = receipt
  if (receipt.totalWei !== account.totalWei - priceWei)
    throw wrong("the credit's total is not the difference")
  const lost = account.undelivered.find((job) => sameBytes(job.receipt, output))
  if (lost !== undefined && (!sameBytes(lost.jobId, jobId) || lost.priceWei !== priceWei))
    throw wrong('the credit is not of what was paid for the job')
  return { undelivered: account.undelivered.filter((job) => job !== lost) }
}

/** The voucher that pays for every receipt held; undefined where the newest one says the same already. */
export function dueVoucher(account: PayerAccount): Voucher | undefined {
  const { channelId, voucher, totalWei, receipts, head } = account
  if (voucher !== null && voucher.receipts === receipts) return undefined
  // Never below the last one: what is too much is credit for the next job.
  return { channelId, amountWei: largest(voucher?.amountWei ?? 0n, totalWei), receipts, receiptsHead: head }
}

/** With the due voucher signed; it must be on the disk before it leaves. */
export function withVoucher(account: PayerAccount, sign: (voucher: Voucher) => SignedVoucher): PayerAccount {
  const due = dueVoucher(account)
  return due === undefined ? account : { ...account, voucher: sign(due) }
}

/**
 * The output of a paid job is there.
 * @throws UserError VERIFICATION_FAILED where it is not the one that was paid: the receipt is the evidence
 */
export function deliver(account: PayerAccount, jobId: Uint8Array, outputHash: Uint8Array): PayerAccount {
  const job = account.undelivered.find((each) => sameBytes(each.jobId, jobId))
  if (job === undefined) return account
  if (!sameBytes(job.output, outputHash)) throw wrong('the output is not the one that the receipt names')
  return { ...account, undelivered: account.undelivered.filter((each) => each !== job) }
}
