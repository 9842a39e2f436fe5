/**
 * The payee's ledger: a thin shell that keeps every step of payee-account.ts on the disk before anything that depends on
 * it leaves: a receipt before it is sent, a voucher before the output it pays for is released.
 *
 *     payee.admit(channelId, { jobId, maxPriceWei })       // then run the job
 *     const receipt = await payee.issue(channelId, work)   // then send the receipt
 *     await payee.accept(voucher)
 *     if (await payee.mayRelease(channelId, jobId)) ...    // then send the output, as often as it takes
 *     payee.acknowledge(channelId, jobId)                  // when the payer says that it has it
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { RedeemableVoucher } from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import type { Signer } from '../../crypto/identity.js'
import type { BookStore } from '../../store/books.js'
import { decodePayeeAccount, encodePayeeAccount } from './account-codec.js'
import { AccountTable } from './account-table.js'
import {
  acceptVoucher,
  acknowledge,
  admit,
  creditLost,
  dismiss,
  isBehind,
  isPaid,
  issue,
  lacksReceipts,
  newPayeeAccount,
  type PayeeAccount,
  type PayeeLimits,
  type RedeemPolicy,
  type RunningJob,
  redeemReason,
  unredeemed,
  type Work,
} from './payee-account.js'
import type { ChannelTerms } from './payer-account.js'
import { type Receipt, type SignedReceipt, signReceipt } from './receipt.js'
import type { SignedVoucher } from './voucher.js'

export interface PayeeModules {
  readonly domain: TypedDomain
  readonly signer: Signer
  readonly books: BookStore
  /** Of one channel opening, the newest: what an audit window needs. 10,000 unless given. */
  readonly keptReceipts?: number | undefined
  /** Unix time, seconds. */
  readonly now: () => number
}

/** A redemption that is worth its gas now. */
export interface DueRedemption {
  readonly account: PayeeAccount
  readonly reason: 'ending' | 'threshold' | 'closing'
  readonly dueWei: bigint
  /** For `redeemVouchers` of src/chain. */
  readonly voucher: RedeemableVoucher
}

export class Payee {
  readonly #modules: PayeeModules
  readonly #limits: PayeeLimits
  readonly #table: AccountTable<PayeeAccount>
  /** Channels of which the payer knows more than this ledger, as far as it was met. */
  readonly #behind = new Set<string>()

  private constructor(modules: PayeeModules, limits: PayeeLimits, table: AccountTable<PayeeAccount>) {
    this.#modules = modules
    this.#limits = limits
    this.#table = table
  }

  /** Jobs that were under way are gone; call {@link creditAllLost} before anything else is served. */
  static async open(modules: PayeeModules, limits: PayeeLimits): Promise<Payee> {
    const { books, keptReceipts } = modules
    const codec = { encode: encodePayeeAccount, decode: decodePayeeAccount }
    const table = await AccountTable.open({ books, keptReceipts, ...codec })
    return new Payee(modules, limits, table)
  }

  accounts(): readonly PayeeAccount[] {
    return this.#table.all()
  }

  find(channelId: Uint8Array): PayeeAccount | undefined {
    return this.#table.find(channelId)
  }

  /** @throws UserError NOT_FOUND */
  account(channelId: Uint8Array): PayeeAccount {
    return this.#table.get(channelId)
  }

  /** A channel as the chain has it, deep enough to stay: a new one, or a known one that changed. */
  async setChannel(payer: Address, channel: ChannelTerms & { readonly redeemedWei?: bigint }): Promise<void> {
    const known = this.#table.find(channel.channelId) ?? newPayeeAccount(payer, channel)
    const { depositWei, endsAt, redeemedWei = known.redeemedWei } = channel
    await this.#table.write({ ...known, depositWei, endsAt, redeemedWei })
  }

  /** Before a job runs. @throws UserError as `admit` of payee-account.ts */
  admit(channelId: Uint8Array, job: RunningJob): void {
    if (this.#behind.has(bytesToHex(channelId))) throw lacksReceipts()
    this.#table.set(admit(this.#table.get(channelId), job, this.#limits, this.#modules.now()))
  }

  /** A job ended without a receipt. */
  dismiss(channelId: Uint8Array, jobId: Uint8Array): void {
    this.#table.set(dismiss(this.#table.get(channelId), jobId))
  }

  /**
   * The receipt of a job that ran, on the disk: it may be sent.
   * @param before what is done with the receipt before any reader of the books can have it; told apart by the caller
   *   whether it failed, since the receipt stands
   */
  async issue(
    channelId: Uint8Array,
    work: Omit<Work, 'issuedAt'>,
    before?: (receipt: SignedReceipt) => Promise<void>,
  ): Promise<SignedReceipt> {
    const { domain, now } = this.#modules
    const job = { ...work, issuedAt: now() }
    const { account, receipt } = issue(domain, this.#table.get(channelId), job, this.#sign)
    await this.#table.write(account, [receipt], before?.(receipt))
    return receipt
  }

  /**
   * Takes a voucher; once it resolves the voucher, or a newer one, is on the disk. Doubles and older ones are welcome.
   * @throws UserError as `acceptVoucher` of payee-account.ts
   */
  async accept(voucher: SignedVoucher): Promise<void> {
    const account = this.#table.get(voucher.channelId)
    const next = acceptVoucher(this.#modules.domain, account, voucher)
    // An older one than one that is being written must not overtake it.
    if (next === account) await this.#table.settled(voucher.channelId)
    else await this.#table.write(next)
  }

  /** As `isBehind` of payee-account.ts: from then on no job is admitted in that channel. */
  isBehind(voucher: SignedVoucher): boolean {
    const { channelId } = voucher
    const behind = isBehind(this.#modules.domain, this.#table.get(channelId), voucher)
    if (behind) this.#behind.add(bytesToHex(channelId))
    return behind
  }

  /** Whether a job's output is paid for on the disk: only then may it leave. */
  async mayRelease(channelId: Uint8Array, jobId: Uint8Array): Promise<boolean> {
    await this.#table.settled(channelId)
    return isPaid(this.#table.get(channelId), jobId)
  }

  /**
   * The payer has an output. On the disk with the next step; a crash before that credits the job.
   * @returns whether it was owed, and paid
   */
  acknowledge(channelId: Uint8Array, jobId: Uint8Array): boolean {
    const account = this.#table.get(channelId)
    const next = acknowledge(account, jobId)
    this.#table.set(next)
    return next !== account
  }

  /** As in {@link PayeeLimits}. */
  get exposureWei(): bigint {
    return this.#limits.exposureWei
  }

  /**
   * Takes the prices of jobs off again whose outputs can't be delivered any more; the credits are on the disk.
   * @param options.isForgiven the payer came too late, or says that they never came
   * @throws UserError DENIED with have and need, as `creditLost` of payee-account.ts
   */
  async credit(
    channelId: Uint8Array,
    jobIds: readonly Uint8Array[],
    { isForgiven = false }: { readonly isForgiven?: boolean } = {},
  ): Promise<readonly SignedReceipt[]> {
    const { domain, now } = this.#modules
    const how = { sign: this.#sign, ...(isForgiven ? { exposureWei: this.#limits.exposureWei } : {}) }
    const credits: SignedReceipt[] = []
    let account = this.#table.get(channelId)
    for (const jobId of jobIds) {
      const issued = creditLost(domain, account, jobId, now(), how)
      account = issued.account
      credits.push(issued.receipt)
    }
    if (credits.length > 0) await this.#table.write(account, credits)
    return credits
  }

  /** After a restart, which loses outputs: nobody pays for what never came. */
  async creditAllLost(): Promise<readonly SignedReceipt[]> {
    const credits = this.#table.all().map(({ channelId, owed }) =>
      this.credit(
        channelId,
        owed.map(({ jobId }) => jobId),
      ),
    )
    return (await Promise.all(credits)).flat()
  }

  /** For payers that missed some, and for auditors: with all that were issued before the call. */
  async receipts(channelId: Uint8Array, from: number, limit: number): Promise<readonly SignedReceipt[]> {
    await this.#table.settled(channelId)
    return this.#table.receipts(channelId, from, limit)
  }

  /** What should be redeemed now. @param isClosing the payee stops: everything worth its gas */
  due(policy: RedeemPolicy, isClosing = false): readonly DueRedemption[] {
    return this.#table.all().flatMap((account) => {
      const reason = redeemReason(account, policy, this.#modules.now(), isClosing)
      const { voucher, payer } = account
      if (reason === undefined || voucher === null) return []
      return [
        {
          account,
          reason,
          dueWei: unredeemed(account),
          voucher: redeemable(payer, voucher),
        },
      ]
    })
  }

  /** After the channel was closed and its receipts' audit window is over. */
  async forget(channelId: Uint8Array): Promise<void> {
    await this.#table.remove(channelId)
    this.#behind.delete(bytesToHex(channelId))
  }

  readonly #sign = (receipt: Receipt): SignedReceipt =>
    signReceipt(this.#modules.domain, receipt, this.#modules.signer)
}

/** A voucher as the contract takes it. */
export function redeemable(payer: Address, voucher: SignedVoucher): RedeemableVoucher {
  const { amountWei, receipts, receiptsHead, signature } = voucher
  return {
    payer,
    amountWei,
    receipts: BigInt(receipts),
    receiptsHead: `0x${bytesToHex(receiptsHead)}`,
    signature: `0x${bytesToHex(signature)}`,
  }
}
