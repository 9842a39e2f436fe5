/**
 * The payer's ledger: a thin shell that keeps every step of payer-account.ts on the disk before anything that depends on
 * it leaves: a job before it is asked for, a voucher before it is sent. The methods that end in "Now" give what there is
 * before the disk has it, for who sends all but the end of it meanwhile.
 *
 *     await payer.begin(channelId, job)             // then ask for the job
 *     const voucher = await payer.receive(receipt)  // then send the voucher
 *     await payer.deliver(channelId, jobId, sha256(output))  // then acknowledge it
 */
import type { Address } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import type { Signer } from '../../crypto/identity.js'
import type { BookStore } from '../../store/books.js'
import { decodePayerAccount, encodePayerAccount } from './account-codec.js'
import { AccountTable } from './account-table.js'
import {
  type AskedJob,
  acceptReceipt,
  begin,
  type ChannelTerms,
  deliver,
  dropJob,
  newPayerAccount,
  type PayerAccount,
  type PayerLimits,
  requireKnown,
  sameBytes,
  withVoucher,
} from './payer-account.js'
import { receiptDigest, type SignedReceipt } from './receipt.js'
import { busy, wrong } from './refusal.js'
import { type SignedVoucher, signVoucher } from './voucher.js'

export interface PayerModules {
  readonly domain: TypedDomain
  readonly signer: Signer
  readonly books: BookStore
  /** Of one channel opening, the newest: what an audit window needs. 10,000 unless given. */
  readonly keptReceipts?: number | undefined
}

/** A voucher that is signed; `kept` resolves when it is on the disk. */
export interface KeptVoucher {
  readonly voucher: SignedVoucher
  readonly kept: Promise<void>
}

/** A receipt that came before its predecessors. */
interface Early {
  readonly receipt: SignedReceipt
  readonly promise: Promise<KeptVoucher>
  readonly resolve: (paid: KeptVoucher) => void
  readonly reject: (reason: unknown) => void
}

export class Payer {
  readonly #modules: PayerModules
  readonly #limits: PayerLimits
  readonly #table: AccountTable<PayerAccount>
  /** Receipts that came before their predecessors, by channel and number. */
  readonly #early = new Map<string, Map<number, Early>>()

  private constructor(modules: PayerModules, limits: PayerLimits, table: AccountTable<PayerAccount>) {
    this.#modules = modules
    this.#limits = limits
    this.#table = table
  }

  static async open(modules: PayerModules, limits: PayerLimits): Promise<Payer> {
    const { books, keptReceipts } = modules
    const codec = { encode: encodePayerAccount, decode: decodePayerAccount }
    const table = await AccountTable.open({ books, keptReceipts, ...codec })
    return new Payer(modules, limits, table)
  }

  accounts(): readonly PayerAccount[] {
    return this.#table.all()
  }

  find(channelId: Uint8Array): PayerAccount | undefined {
    return this.#table.find(channelId)
  }

  account(channelId: Uint8Array): PayerAccount {
    return this.#table.get(channelId)
  }

  /** A channel as the chain has it: a new one, or a known one that was topped up or is ending. */
  async setChannel(payee: Address, channel: ChannelTerms): Promise<void> {
    const known = this.#table.find(channel.channelId)
    const { depositWei, endsAt } = channel
    await this.#table.write(
      known === undefined ? newPayerAccount(payee, channel) : { ...known, depositWei, endsAt },
    )
  }

  /** Once it resolves the job may be asked for. @throws UserError as `begin` of payer-account.ts */
  async begin(channelId: Uint8Array, job: AskedJob): Promise<void> {
    await this.beginNow(channelId, job).kept
  }

  /** The same at once; the payee must not have the whole request before `kept` resolves. @throws as {@link begin} */
  beginNow(channelId: Uint8Array, job: AskedJob): { readonly kept: Promise<void> } {
    return { kept: this.#table.write(begin(this.#table.get(channelId), job, this.#limits)) }
  }

  /** The payee says that no receipt comes for a job. */
  async drop(channelId: Uint8Array, jobId: Uint8Array): Promise<void> {
    await this.#table.write(dropJob(this.#table.get(channelId), jobId))
  }

  /**
   * Takes a receipt and gives the voucher that pays for it and all before it, on the disk. One that came too early waits
   * for those before it: see {@link missing}. One that was seen before gives the newest voucher again.
   * @throws UserError VERIFICATION_FAILED for a receipt that no honest payee signs: leave this provider
   */
  async receive(receipt: SignedReceipt, signal?: AbortSignal): Promise<SignedVoucher> {
    const { voucher, kept } = await this.receiveNow(receipt, signal)
    await kept
    return voucher
  }

  /** The same as soon as it is signed; the payee must not have the whole of it before `kept` resolves. */
  async receiveNow(receipt: SignedReceipt, signal?: AbortSignal): Promise<KeptVoucher> {
    const account = this.#table.get(receipt.channelId)
    if (receipt.index <= account.receipts) return this.#again(receipt)
    const next = acceptReceipt(this.#modules.domain, account, receipt)
    if (next === undefined) return this.#wait(receipt, signal)
    return this.#pay(next, [receipt])
  }

  /** The number of the receipt that those waiting wait for; undefined where none waits. Ask the payee for it. */
  missing(channelId: Uint8Array): number | undefined {
    const account = this.#table.get(channelId)
    return this.#waiting(channelId).size === 0 ? undefined : account.receipts + 1
  }

  /** The newest voucher, on the disk: what a restart sends again. */
  async newestVoucher(channelId: Uint8Array): Promise<SignedVoucher | undefined> {
    await this.#table.settled(channelId)
    return this.#table.get(channelId).voucher ?? undefined
  }

  /**
   * What the payee shows as this payer's newest voucher of a channel.
   * @throws UserError as `requireKnown` of payer-account.ts
   */
  requireKnown(channelId: Uint8Array, voucher: SignedVoucher): void {
    const { domain, signer } = this.#modules
    requireKnown(domain, this.#table.get(channelId), voucher, signer.address)
  }

  /** The output came and is the right one. Once it resolves the payee may be told. */
  async deliver(channelId: Uint8Array, jobId: Uint8Array, outputHash: Uint8Array): Promise<void> {
    await this.deliverNow(channelId, jobId, outputHash).kept
  }

  /**
   * The same for who has use for the output before that is on the disk: what a crash forgets is fetched again.
   * @throws UserError at once for an output that is not the right one
   */
  deliverNow(
    channelId: Uint8Array,
    jobId: Uint8Array,
    outputHash: Uint8Array,
  ): { readonly kept: Promise<void> } {
    return { kept: this.#table.write(deliver(this.#table.get(channelId), jobId, outputHash)) }
  }

  /** Resolves when everything decided so far about a channel is on the disk. */
  kept(channelId: Uint8Array): Promise<void> {
    return this.#table.settled(channelId)
  }

  /** Evidence: receipts from a number on. */
  receipts(channelId: Uint8Array, from: number, limit: number): Promise<readonly SignedReceipt[]> {
    return this.#table.receipts(channelId, from, limit)
  }

  /** After the channel was closed and nothing of it can be disputed. */
  async forget(channelId: Uint8Array): Promise<void> {
    await this.#table.remove(channelId)
  }

  /** Accepts with it what was waiting for it, and signs one voucher for all. */
  #pay(first: PayerAccount, receipts: SignedReceipt[]): KeptVoucher {
    const { domain, signer } = this.#modules
    const waiting = this.#waiting(first.channelId)
    const followers: Early[] = []
    let account = first
    for (;;) {
      const early = waiting.get(account.receipts + 1)
      if (early === undefined) break
      waiting.delete(account.receipts + 1)
      try {
        account = acceptReceipt(domain, account, early.receipt) ?? account
        receipts.push(early.receipt)
        followers.push(early)
      } catch (error) {
        early.reject(error)
        break
      }
    }
    const paid = withVoucher(account, (voucher) => signVoucher(domain, voucher, signer))
    const { voucher } = paid
    if (voucher === null) throw new Error('an accepted receipt leaves a voucher')
    const answer = { voucher, kept: this.#table.write(paid, receipts) }
    // Whoever has no use for it any more leaves no failure unheard.
    answer.kept.catch(() => {})
    for (const { resolve } of followers) resolve(answer)
    return answer
  }

  #wait(receipt: SignedReceipt, signal: AbortSignal | undefined): Promise<KeptVoucher> {
    const waiting = this.#waiting(receipt.channelId)
    const known = waiting.get(receipt.index)
    if (known !== undefined) return known.promise
    // Credits come beside the jobs' receipts.
    const most = 2 * this.#limits.maxJobs
    if (waiting.size >= most)
      throw busy('receipts that wait for earlier ones', waiting.size, most, 'ask for the missing one')
    const { promise, resolve, reject } = Promise.withResolvers<KeptVoucher>()
    const early: Early = { receipt, promise, resolve, reject }
    waiting.set(receipt.index, early)
    signal?.addEventListener(
      'abort',
      () => {
        if (waiting.get(receipt.index) === early) waiting.delete(receipt.index)
        reject(signal.reason)
      },
      { once: true },
    )
    return promise
  }

  /** A receipt that is held already, or another one in its place: then both together convict the payee. */
  async #again(receipt: SignedReceipt): Promise<KeptVoucher> {
    const { channelId, index } = receipt
    await this.#table.settled(channelId)
    const [held] = await this.#table.receipts(channelId, index, 1)
    const { domain } = this.#modules
    const isOther =
      held?.index === index && !sameBytes(receiptDigest(domain, held), receiptDigest(domain, receipt))
    const voucher = this.#table.get(channelId).voucher
    if (isOther) throw wrong('the provider signed two receipts for one place in its chain', { index })
    if (voucher === null) throw new Error('a receipt that is held was paid by a voucher')
    return { voucher, kept: this.#table.settled(channelId) }
  }

  #waiting(channelId: Uint8Array): Map<number, Early> {
    const id = Buffer.from(channelId).toString('hex')
    const waiting = this.#early.get(id) ?? new Map<number, Early>()
    this.#early.set(id, waiting)
    return waiting
  }
}
