/**
 * A payee's side of one channel opening, as pure steps from one state to the next: which jobs run, which receipts it
 * issued, what is paid, and which outputs it owes.
 *
 *     admit -> (job runs) issue -> (receipt, kept, sent) -> acceptVoucher -> (kept) -> isPaid -> (output) -> acknowledge
 *              dismiss: it failed                          creditLost: its output went with a crash, or never came
 *
 * What a payee can lose is decided in `admit`, before it works: unpaid receipts, outputs that are owed and jobs under way
 * stay within `exposureWei`, and within what the deposit still covers.
 */
import { lackOfMoney } from '../../chain/ether.js'
import type { Address } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import type { UserError } from '../../errors.js'
import type { ChannelTerms } from './payer-account.js'
import { sameBytes } from './payer-account.js'
import { NO_RECEIPTS, type Receipt, ReceiptKind, receiptDigest, type SignedReceipt } from './receipt.js'
import { busy, refused, wrong } from './refusal.js'
import { isVoucherOf, type SignedVoucher } from './voucher.js'
import { largest, smallest } from './wei.js'

/** A job that was admitted and has no receipt yet: forgotten by a restart, since the work is lost, too. */
export interface RunningJob {
  readonly jobId: Uint8Array
  readonly maxPriceWei: bigint
}

/** A receipt that the newest voucher does not cover yet. */
export interface UnpaidReceipt {
  readonly index: number
  readonly digest: Uint8Array
  readonly totalWei: bigint
}

/** A job with a receipt whose output the payer does not have yet, as far as it said. */
export interface OwedJob {
  readonly jobId: Uint8Array
  readonly index: number
  readonly digest: Uint8Array
  readonly priceWei: bigint
}

export interface PayeeAccount {
  readonly channelId: Uint8Array
  readonly payer: Address
  readonly nonce: number
  /** As the chain has it. */
  readonly depositWei: bigint
  readonly redeemedWei: bigint
  readonly endsAt: number
  /** Receipts issued, the digest of the last, and its total. */
  readonly issued: number
  readonly head: Uint8Array
  readonly totalWei: bigint
  /** The newest one. */
  readonly voucher: SignedVoucher | null
  /** Total of the receipts that it commits to. */
  readonly committedWei: bigint
  readonly unpaid: readonly UnpaidReceipt[]
  readonly owed: readonly OwedJob[]
  /** Credits of outputs that its payer, as it says, did not get in time: they may have come all the same, and were work. */
  readonly forgivenWei: bigint
  readonly running: readonly RunningJob[]
}

export interface PayeeLimits {
  /** Most that one payer may owe, and most that it may be owed, jobs under way included: the most one payer can cost. */
  readonly exposureWei: bigint
  /** Jobs under way, and receipts unpaid or outputs owed, at most. */
  readonly maxJobs: number
  /** No job begins where the channel ends sooner than this. */
  readonly leastRemainingSeconds: number
}

export function newPayeeAccount(payer: Address, channel: ChannelTerms): PayeeAccount {
  const { channelId, nonce, depositWei, endsAt } = channel
  return {
    channelId,
    payer,
    nonce,
    depositWei,
    redeemedWei: 0n,
    endsAt,
    issued: 0,
    head: NO_RECEIPTS,
    totalWei: 0n,
    voucher: null,
    committedWei: 0n,
    unpaid: [],
    owed: [],
    forgivenWei: 0n,
    running: [],
  }
}

const runningWei = ({ running }: PayeeAccount): bigint =>
  running.reduce((sum, { maxPriceWei }) => sum + maxPriceWei, 0n)
const paidWei = ({ voucher }: PayeeAccount): bigint => voucher?.amountWei ?? 0n

/**
 * Jobs under way, and the larger of what no voucher pays and of what is owed: a payer that leaves costs the former, a
 * crash, after which everything owed is credited, the latter. What was forgiven is lost already; who goes on paying is
 * forgiven more.
 */
export function payeeExposure(account: PayeeAccount): bigint {
  const unpaidWei = largest(0n, account.totalWei - paidWei(account))
  const owedWei = account.owed.reduce((sum, { priceWei }) => sum + priceWei, 0n)
  return standingWei(account) + runningWei(account) + largest(unpaidWei, owedWei)
}

/** A wei is forgiven for good for so many that were paid. */
const PAID_FOR_FORGIVEN = 50n
/** Of the exposure so much, at most, stands for what was forgiven: with the rest its payer can go on, and pay. */
const MOST_FORGIVEN_SHARE = 2n

/** What was forgiven, as far as it still stands against the exposure. */
const standingWei = (account: PayeeAccount): bigint =>
  largest(0n, account.forgivenWei - paidWei(account) / PAID_FOR_FORGIVEN)

/**
 * Before a job runs.
 * @throws UserError DENIED with have and need where the deposit or the exposure limit do not suffice, or the channel ends
 *   too soon, or was paid from by what this ledger lacks; BUSY; EXISTS for an id that is under way
 */
export function admit(
  account: PayeeAccount,
  job: RunningJob,
  limits: PayeeLimits,
  nowSeconds: number,
): PayeeAccount {
  const { running, owed, unpaid, endsAt, depositWei, totalWei } = account
  if ([...running, ...owed].some(({ jobId }) => sameBytes(jobId, job.jobId)))
    throw refused('a job of this id is under way', 'EXISTS', 'choose another id')
  if (account.redeemedWei > paidWei(account)) throw lacksReceipts()
  const left = endsAt - nowSeconds
  if (left < limits.leastRemainingSeconds)
    throw refused(
      `the channel ends in ${Math.max(0, left)} s, and a job needs ${limits.leastRemainingSeconds} s`,
      'DENIED',
      'give the channel a later end, or open another one',
    )
  const jobs = running.length + Math.max(owed.length, unpaid.length)
  if (jobs >= limits.maxJobs)
    throw busy('jobs under way of this client', jobs, limits.maxJobs, 'wait for one of them')
  const spoken = totalWei + runningWei(account)
  if (spoken + job.maxPriceWei > depositWei)
    throw lackOfMoney(
      'the channel is underfunded',
      largest(0n, depositWei - spoken),
      job.maxPriceWei,
      'top it up, or ask for less',
    )
  const exposure = payeeExposure(account)
  if (exposure + job.maxPriceWei > limits.exposureWei)
    throw lackOfMoney(
      'what one client owes and is owed is at its limit',
      largest(0n, limits.exposureWei - exposure),
      job.maxPriceWei,
      standingWei(account) > 0n
        ? 'pay for and acknowledge what was received first, or ask for less: outputs that were credited count for a while'
        : 'pay for and acknowledge what was received first',
    )
  return { ...account, running: [...running, job] }
}

/** A job ended without a receipt. */
export function dismiss(account: PayeeAccount, jobId: Uint8Array): PayeeAccount {
  return { ...account, running: account.running.filter((job) => !sameBytes(job.jobId, jobId)) }
}

/** Receipts that begin anew would contradict those that an earlier ledger of this payee signed, and was paid for. */
export const lacksReceipts = (): UserError =>
  refused(
    'an earlier ledger of this provider was paid from this channel',
    'DENIED',
    'close it, which gives the rest of the deposit back, and open another one',
  )

/** Whether the payer's own voucher commits to receipts that this ledger never issued: it was lost, or is an older copy. */
export function isBehind(domain: TypedDomain, account: PayeeAccount, voucher: SignedVoucher): boolean {
  return (
    voucher.receipts > account.issued &&
    sameBytes(voucher.channelId, account.channelId) &&
    isVoucherOf(domain, voucher, account.payer)
  )
}

/** What a job was; the receipt adds its place in the chain. */
export type Work = Pick<
  Receipt,
  'jobId' | 'model' | 'input' | 'terms' | 'output' | 'units' | 'priceWei' | 'issuedAt'
>

export interface Issued {
  readonly account: PayeeAccount
  readonly receipt: SignedReceipt
}

type Sign = (receipt: Receipt) => SignedReceipt

/** The receipt of a job that ran; on the disk before it leaves. @throws RangeError for a job or price not admitted */
export function issue(domain: TypedDomain, account: PayeeAccount, work: Work, sign: Sign): Issued {
  const job = account.running.find(({ jobId }) => sameBytes(jobId, work.jobId))
  if (job === undefined) throw new RangeError('a receipt for a job that was not admitted')
  if (work.priceWei > job.maxPriceWei) throw new RangeError('a price above the one admitted')
  const totalWei = account.totalWei + work.priceWei
  const { jobId, priceWei } = work
  const { next, receipt, digest } = append(
    domain,
    account,
    { ...work, kind: ReceiptKind.job, totalWei },
    sign,
  )
  const owed = [...account.owed, { jobId, index: receipt.index, digest, priceWei }]
  return { account: { ...dismiss(next, jobId), owed }, receipt }
}

/**
 * Takes a lost job's price off again.
 * @param how.exposureWei where it was lost on the payer's side, or was fetched too late: that is forgiven within bounds
 * @throws RangeError where it is not owed; UserError DENIED with have and need
 */
export function creditLost(
  domain: TypedDomain,
  account: PayeeAccount,
  jobId: Uint8Array,
  issuedAt: number,
  { exposureWei, sign }: { readonly exposureWei?: bigint; readonly sign: Sign },
): Issued {
  const lost = account.owed.find((job) => sameBytes(job.jobId, jobId))
  if (lost === undefined) throw new RangeError('a credit for a job that is not owed')
  const forgivenWei = account.forgivenWei + (exposureWei === undefined ? 0n : lost.priceWei)
  const mostWei = exposureWei === undefined ? undefined : exposureWei / MOST_FORGIVEN_SHARE
  if (mostWei !== undefined && standingWei({ ...account, forgivenWei }) > mostWei)
    throw lackOfMoney(
      'the output is not kept any more, and so much was credited already that it is not',
      largest(0n, mostWei - standingWei(account)),
      lost.priceWei,
      'pay for outputs, and fetch them, within minutes',
    )
  const none = new Uint8Array(32)
  const content = {
    kind: ReceiptKind.credit,
    jobId,
    model: none,
    input: none,
    terms: none,
    output: lost.digest,
    units: 0,
    priceWei: lost.priceWei,
    totalWei: account.totalWei - lost.priceWei,
    issuedAt,
  }
  const { next, receipt } = append(domain, account, content, sign)
  const owed = account.owed.filter((job) => job !== lost)
  return { account: { ...next, owed, forgivenWei }, receipt }
}

function append(
  domain: TypedDomain,
  account: PayeeAccount,
  content: Omit<Receipt, 'channelId' | 'index' | 'previous'>,
  sign: Sign,
): { readonly next: PayeeAccount; readonly receipt: SignedReceipt; readonly digest: Uint8Array } {
  const index = account.issued + 1
  const receipt = sign({ ...content, channelId: account.channelId, index, previous: account.head })
  const digest = receiptDigest(domain, receipt)
  const { totalWei } = receipt
  const unpaid = [...account.unpaid, { index, digest, totalWei }]
  return { next: { ...account, issued: index, head: digest, totalWei, unpaid }, receipt, digest }
}

/**
 * Takes a voucher; on the disk before any output leaves. Older ones and doubles change nothing, in whatever order they
 * come: the account is returned as it was.
 * @throws UserError DENIED with have and need for one above the deposit; VERIFICATION_FAILED for one that the payer did not
 *   sign, that names receipts which do not exist, or pays less than they come to
 */
export function acceptVoucher(
  domain: TypedDomain,
  account: PayeeAccount,
  voucher: SignedVoucher,
): PayeeAccount {
  const newest = account.voucher
  if (!sameBytes(voucher.channelId, account.channelId)) throw wrong('the voucher is of another channel')
  if (newest !== null && isNoNews(voucher, newest)) return account
  if (voucher.amountWei > account.depositWei)
    throw lackOfMoney(
      'the voucher is above the deposit',
      account.depositWei,
      voucher.amountWei,
      'top the channel up first',
    )
  const committed = committedTotal(account, voucher)
  if (newest !== null && voucher.amountWei < newest.amountWei)
    throw wrong('the voucher takes back what an earlier one paid')
  // Otherwise what is paid for would not be any more.
  if (voucher.amountWei < committed)
    throw wrong('the voucher pays less than the receipts that it names', { receipts: voucher.receipts })
  if (!isVoucherOf(domain, voucher, account.payer))
    throw wrong('the voucher is not signed by the payer of this channel')
  const unpaid = account.unpaid.filter(({ index }) => index > voucher.receipts)
  return { ...account, voucher, committedWei: committed, unpaid }
}

/** One that says no more than the newest in either respect: not worth a look at its signature. */
function isNoNews(voucher: SignedVoucher, newest: SignedVoucher): boolean {
  return voucher.amountWei <= newest.amountWei && voucher.receipts <= newest.receipts
}

/** Total of the receipts that a voucher commits to. @throws UserError where they are not those that were issued */
function committedTotal(account: PayeeAccount, { receipts, receiptsHead }: SignedVoucher): bigint {
  const newest = account.voucher
  const known =
    receipts === (newest?.receipts ?? 0)
      ? { digest: newest?.receiptsHead ?? NO_RECEIPTS, totalWei: account.committedWei }
      : account.unpaid.find(({ index }) => index === receipts)
  if (known === undefined || !sameBytes(known.digest, receiptsHead))
    throw wrong('the voucher names receipts that are not in the chain', { receipts })
  return known.totalWei
}

/** Whether a job's output may leave: the newest voucher commits to its receipt, and pays all that it commits to. */
export function isPaid(account: PayeeAccount, jobId: Uint8Array): boolean {
  const job = account.owed.find((each) => sameBytes(each.jobId, jobId))
  const { voucher, committedWei } = account
  return (
    job !== undefined &&
    voucher !== null &&
    voucher.receipts >= job.index &&
    voucher.amountWei >= committedWei
  )
}

/** The payer has the output. What is not paid it cannot have: that changes nothing. */
export function acknowledge(account: PayeeAccount, jobId: Uint8Array): PayeeAccount {
  if (!isPaid(account, jobId)) return account
  return { ...account, owed: account.owed.filter((job) => !sameBytes(job.jobId, jobId)) }
}

/** What a redemption would bring now. */
export function unredeemed({ voucher, redeemedWei, depositWei }: PayeeAccount): bigint {
  return largest(0n, smallest(voucher?.amountWei ?? 0n, depositWei) - redeemedWei)
}

export interface RedeemPolicy {
  /** As soon as so much is unredeemed. */
  readonly thresholdWei: bigint
  /** And so long before the channel ends. */
  readonly beforeEndSeconds: number
  /** But never less than this: what a redemption costs. */
  readonly leastWei: bigint
}

/** Whether it is time to redeem, and why. @param isClosing the session with this payer is over */
export function redeemReason(
  account: PayeeAccount,
  policy: RedeemPolicy,
  nowSeconds: number,
  isClosing = false,
): 'ending' | 'threshold' | 'closing' | undefined {
  const due = unredeemed(account)
  if (due === 0n || due < policy.leastWei) return undefined
  if (account.endsAt - nowSeconds <= policy.beforeEndSeconds) return 'ending'
  if (due >= policy.thresholdWei) return 'threshold'
  return isClosing ? 'closing' : undefined
}
