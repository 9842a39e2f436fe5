/** The payee's half of the exchanges: what a provider keeps, signs and releases for clients that pay. */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Address } from '../../crypto/address.js'
import { addressOfPublicKey } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import type { Remote } from '../../p2p/index.js'
import type { JobRequest } from '../network/messages.js'
import { RECEIPTS_AT_ONCE } from '../network/messages.js'
import type { ChannelKeeper, Payee, SignedReceipt, SignedVoucher, Work } from '../payment/index.js'
import type { HeldOutputs } from './held-outputs.js'

export interface PaidServiceModules {
  readonly payee: Payee
  readonly keeper: Pick<ChannelKeeper, 'adopt'>
  readonly held: HeldOutputs
}

/** The chain is asked about one client at most so often, whatever that sends. */
const ADOPT_EVERY_MS = 2000
const MOST_CLIENTS = 10_000
const CONFIRMED_AFTER_SECONDS = 2

export class PaidService {
  readonly #modules: PaidServiceModules
  readonly #adopted = new Map<Address, number>()
  /** Jobs that run, by channel and id: their receipts may still come. */
  readonly #running = new Set<string>()

  constructor(modules: PaidServiceModules) {
    this.#modules = modules
  }

  /**
   * Before a job runs: its channel is the client's own, and pays for it.
   * @param signal of the request
   * @throws UserError as `Payee.admit` and `ChannelKeeper.adopt`; BUSY for a channel that is not known yet
   */
  async admit(
    remote: Remote,
    { jobId, channelId }: JobRequest,
    priceWei: bigint,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    if (channelId === undefined)
      throw new UserError('this job is paid for through a channel', {
        code: 'DENIED',
        remedy: 'open one, and name it',
      })
    const { payee } = this.#modules
    const payer = addressOfPublicKey(remote.publicKey)
    if (payee.find(channelId) === undefined) await this.#adopt(payer)
    this.#own(remote, channelId)
    // Who has gone may have been told on another connection that this job is not known.
    signal.throwIfAborted()
    const job = { jobId, maxPriceWei: priceWei }
    try {
      payee.admit(channelId, job)
    } catch (error) {
      // It may have been topped up since.
      if (!(error instanceof UserError) || error.code !== 'DENIED' || !(await this.#adopt(payer))) throw error
      signal.throwIfAborted()
      payee.admit(channelId, job)
    }
    this.#running.add(keyOf(channelId, jobId))
    return channelId
  }

  /** A job that was admitted has ended without an output. */
  dismiss(channelId: Uint8Array, jobId: Uint8Array): void {
    if (this.#running.delete(keyOf(channelId, jobId))) this.#modules.payee.dismiss(channelId, jobId)
  }

  /** Its receipt, on the disk; the output waits for its payment. */
  async issue(
    channelId: Uint8Array,
    work: Omit<Work, 'issuedAt'>,
    output: Uint8Array,
  ): Promise<SignedReceipt> {
    const { payee, held } = this.#modules
    held.put(channelId, work.jobId, output)
    try {
      return await payee.issue(channelId, work)
    } finally {
      this.#running.delete(keyOf(channelId, work.jobId))
    }
  }

  /**
   * Takes a voucher, and gives what it pays for: the output, or the credit where that was lost.
   * @throws UserError as `Payee.accept`; DENIED where the voucher does not pay for the job
   */
  async pay(
    remote: Remote,
    jobId: Uint8Array,
    voucher: SignedVoucher,
  ): Promise<{ readonly output: Uint8Array } | { readonly credits: readonly SignedReceipt[] }> {
    const { payee, held } = this.#modules
    const { channelId } = voucher
    this.#own(remote, channelId)
    await payee.accept(voucher)
    if (!(await payee.mayRelease(channelId, jobId)))
      throw new UserError('this voucher pays for no output that is waiting', {
        code: 'DENIED',
        remedy: 'ask for the receipts that are missing',
      })
    const output = held.get(channelId, jobId)
    if (output !== undefined) return { output }
    return { credits: await payee.credit(channelId, [jobId]) }
  }

  have(remote: Remote, channelId: Uint8Array, jobIds: readonly Uint8Array[]): void {
    const { payee, held } = this.#modules
    this.#own(remote, channelId)
    for (const jobId of jobIds) {
      payee.acknowledge(channelId, jobId)
      held.remove(channelId, jobId)
    }
  }

  /** Where both sides stand. */
  async sync(
    remote: Remote,
    request: {
      readonly channelId: Uint8Array
      readonly voucher: SignedVoucher | undefined
      readonly from: number
      readonly asked: readonly Uint8Array[]
    },
  ): Promise<{
    readonly receipts: readonly SignedReceipt[]
    readonly unknown: readonly Uint8Array[]
    readonly owed: readonly Uint8Array[]
  }> {
    const { payee } = this.#modules
    const { channelId, voucher, from, asked } = request
    if (payee.find(channelId) === undefined) await this.#adopt(addressOfPublicKey(remote.publicKey))
    this.#own(remote, channelId)
    if (voucher !== undefined) await payee.accept(voucher)
    const receipts = await payee.receipts(channelId, from, RECEIPTS_AT_ONCE)
    const { issued, owed } = payee.account(channelId)
    const last = receipts.at(-1)?.index ?? from - 1
    // More receipts are to come: only with all of them is it known which jobs have none.
    const isComplete = last >= issued
    const known = new Set([...receipts, ...owed].map(({ jobId }) => bytesToHex(jobId)))
    const unknown = isComplete
      ? asked.filter((jobId) => !known.has(bytesToHex(jobId)) && !this.#running.has(keyOf(channelId, jobId)))
      : []
    return { receipts, unknown, owed: owed.map(({ jobId }) => jobId) }
  }

  /** Of any channel, for auditors. @throws UserError NOT_FOUND */
  receipts(channelId: Uint8Array, from: number): Promise<readonly SignedReceipt[]> {
    this.#modules.payee.account(channelId)
    return this.#modules.payee.receipts(channelId, from, RECEIPTS_AT_ONCE)
  }

  /** Whether the chain was asked. @throws UserError as `ChannelKeeper.adopt` */
  async #adopt(payer: Address): Promise<boolean> {
    const now = performance.now()
    if (now - (this.#adopted.get(payer) ?? Number.NEGATIVE_INFINITY) < ADOPT_EVERY_MS) return false
    this.#adopted.delete(payer)
    this.#adopted.set(payer, now)
    const [oldest] = this.#adopted.keys()
    if (this.#adopted.size > MOST_CLIENTS && oldest !== undefined) this.#adopted.delete(oldest)
    try {
      await this.#modules.keeper.adopt(payer)
    } catch (error) {
      // Not there yet: the caller finds that out, and says when to come again.
      if (!(error instanceof UserError) || error.code !== 'NOT_FOUND') throw error
    }
    return true
  }

  /** @throws UserError BUSY for a channel that is not known, or another's */
  #own(remote: Remote, channelId: Uint8Array): void {
    const account = this.#modules.payee.find(channelId)
    if (account?.payer === addressOfPublicKey(remote.publicKey)) return
    throw new UserError('no such channel of yours is known here', {
      // This node may see the chain a little later than its client.
      code: 'BUSY',
      remedy: 'open one, and wait until it is confirmed',
      details: { retryAfterSeconds: CONFIRMED_AFTER_SECONDS },
    })
  }
}

const keyOf = (channelId: Uint8Array, jobId: Uint8Array): string =>
  `${bytesToHex(channelId)}/${bytesToHex(jobId)}`
