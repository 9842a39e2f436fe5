/** The payee's half of the exchanges: what a provider keeps, signs and releases for clients that pay. */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Address } from '../../crypto/address.js'
import { addressOfPublicKey } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import type { Remote } from '../../p2p/index.js'
import type { JobRequest } from '../network/messages.js'
import { RECEIPTS_AT_ONCE } from '../network/messages.js'
import {
  type ChannelKeeper,
  type Payee,
  payeeExposure,
  type SignedReceipt,
  type SignedVoucher,
  type Work,
} from '../payment/index.js'
import { ChannelLooks } from './channel-looks.js'
import { GivenUpWork } from './given-up.js'
import type { HeldOutputs } from './held-outputs.js'

export interface PaidServiceModules {
  readonly payee: Payee
  readonly keeper: Pick<ChannelKeeper, 'adopt' | 'isMoreComing'>
  readonly held: HeldOutputs
}

/** When to come again where the chain, as deep as this node trusts it, does not have yet what a client has seen there. */
const CONFIRMED_AFTER_SECONDS = 2
const MOST_TAKEN_BACK = 1000

export class PaidService {
  readonly #modules: PaidServiceModules
  readonly #looks: ChannelLooks
  /** Jobs that run, by channel and id: their receipts may still come. */
  readonly #running = new Set<string>()
  readonly #givenUp: GivenUpWork
  /** Credits of jobs that could not be kept for auditors: their payers hear it when they pay. */
  readonly #takenBack = new Map<string, readonly SignedReceipt[]>()

  constructor(modules: PaidServiceModules) {
    this.#modules = modules
    this.#looks = new ChannelLooks(modules.keeper)
    this.#givenUp = new GivenUpWork(modules.payee.exposureWei)
  }

  /**
   * Before a job runs: its channel is the client's own, and pays for it.
   * @param signal of the request
   * @throws UserError as `Payee.admit` and `ChannelLooks.look`; BUSY for a channel or a deposit that is not known yet
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
    if (payee.find(channelId) === undefined) await this.#looks.look(payer, remote)
    this.#own(remote, channelId)
    await this.#asFunded(remote, () => {
      // Who has gone may have been told on another connection that this job is not known.
      signal.throwIfAborted()
      this.#givenUp.requireRoom(payer, payeeExposure(payee.account(channelId)) + priceWei)
      payee.admit(channelId, { jobId, maxPriceWei: priceWei })
    })
    this.#running.add(keyOf(channelId, jobId))
    return channelId
  }

  /**
   * A job that was admitted has ended without an output.
   * @param givenUpWei what was done of it until its client gave it up
   */
  dismiss(channelId: Uint8Array, jobId: Uint8Array, givenUpWei = 0n): void {
    if (!this.#running.delete(keyOf(channelId, jobId))) return
    const { payee } = this.#modules
    payee.dismiss(channelId, jobId)
    if (givenUpWei > 0n) this.#givenUp.add(payee.account(channelId).payer, givenUpWei)
  }

  /**
   * Its receipt, on the disk; the output waits for its payment.
   * @param keep what auditors may ask for, before the receipt can be seen: a job of which it fails is credited at once
   */
  async issue(
    channelId: Uint8Array,
    work: Omit<Work, 'issuedAt'>,
    output: Uint8Array,
    keep: (receipt: SignedReceipt) => Promise<void>,
  ): Promise<SignedReceipt> {
    const { payee, held } = this.#modules
    const { jobId } = work
    const key = keyOf(channelId, jobId)
    held.put(channelId, jobId, output)
    let isKept = true
    try {
      const receipt = await payee.issue(channelId, work, (signed) =>
        keep(signed).catch(() => {
          isKept = false
        }),
      )
      if (!isKept) await this.#takeBack(channelId, jobId)
      return receipt
    } finally {
      this.#running.delete(key)
    }
  }

  async #takeBack(channelId: Uint8Array, jobId: Uint8Array): Promise<void> {
    const { payee, held } = this.#modules
    held.remove(channelId, jobId)
    this.#takenBack.set(keyOf(channelId, jobId), await payee.credit(channelId, [jobId]))
    const [oldest] = this.#takenBack.keys()
    if (this.#takenBack.size > MOST_TAKEN_BACK && oldest !== undefined) this.#takenBack.delete(oldest)
  }

  /**
   * Takes a voucher, and gives what it pays for: the output, or the credit where that was lost.
   * @throws UserError as `Payee.accept` and `Payee.credit`; DENIED where the voucher does not pay for the job
   */
  async pay(
    remote: Remote,
    jobId: Uint8Array,
    voucher: SignedVoucher,
  ): Promise<{ readonly output: Uint8Array } | { readonly credits: readonly SignedReceipt[] }> {
    const { payee, held } = this.#modules
    const { channelId } = voucher
    this.#own(remote, channelId)
    await this.#accept(remote, voucher)
    const takenBack = this.#takenBack.get(keyOf(channelId, jobId))
    if (takenBack !== undefined) return { credits: takenBack }
    if (!(await payee.mayRelease(channelId, jobId)))
      throw new UserError('this voucher pays for no output that is waiting', {
        code: 'DENIED',
        remedy: 'ask for the receipts that are missing',
      })
    const output = held.get(channelId, jobId)
    if (output === undefined) return { credits: await this.#forgive(channelId, jobId) }
    held.markPaid(channelId, jobId)
    return { output }
  }

  /** @throws UserError DENIED as `Payee.credit`: then it is settled as it is */
  async #forgive(channelId: Uint8Array, jobId: Uint8Array): Promise<readonly SignedReceipt[]> {
    const { payee } = this.#modules
    try {
      return await payee.credit(channelId, [jobId], { isForgiven: true })
    } catch (error) {
      if (isDenied(error)) payee.acknowledge(channelId, jobId)
      throw error
    }
  }

  have(remote: Remote, channelId: Uint8Array, jobIds: readonly Uint8Array[]): void {
    const { payee, held } = this.#modules
    this.#own(remote, channelId)
    for (const jobId of jobIds) if (payee.acknowledge(channelId, jobId)) held.remove(channelId, jobId)
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
    /** The payer's own newest one, where it commits to receipts that the payer misses. */
    readonly voucher?: SignedVoucher
    /** Of the receipts that the payer's voucher names this ledger lacks some: it was lost, or is an older copy. */
    readonly isBehind?: true
  }> {
    const { payee } = this.#modules
    const { channelId, voucher, from, asked } = request
    if (payee.find(channelId) === undefined)
      await this.#looks.look(addressOfPublicKey(remote.publicKey), remote)
    this.#own(remote, channelId)
    if (voucher !== undefined && payee.isBehind(voucher))
      return { receipts: [], unknown: [], owed: [], isBehind: true }
    if (voucher !== undefined) await this.#accept(remote, voucher)
    const receipts = await payee.receipts(channelId, from, RECEIPTS_AT_ONCE)
    const { issued, owed, voucher: newest } = payee.account(channelId)
    const last = receipts.at(-1)?.index ?? from - 1
    // More receipts are to come: only with all of them is it known which jobs have none.
    const isComplete = last >= issued
    const known = new Set([...receipts, ...owed].map(({ jobId }) => bytesToHex(jobId)))
    const unknown = isComplete
      ? asked.filter((jobId) => !known.has(bytesToHex(jobId)) && !this.#running.has(keyOf(channelId, jobId)))
      : []
    return {
      ...{ receipts, unknown, owed: owed.map(({ jobId }) => jobId) },
      ...(newest !== null && newest.receipts >= from ? { voucher: newest } : {}),
    }
  }

  /** Undefined for a channel that is not known here. */
  payerOf(channelId: Uint8Array): Address | undefined {
    return this.#modules.payee.find(channelId)?.payer
  }

  /** Of any channel: who may have them is the caller's to know. @throws UserError NOT_FOUND */
  async receipts(channelId: Uint8Array, from: number): Promise<readonly SignedReceipt[]> {
    const { payee } = this.#modules
    if (from > payee.account(channelId).issued) return []
    return payee.receipts(channelId, from, RECEIPTS_AT_ONCE)
  }

  #accept(remote: Remote, voucher: SignedVoucher): Promise<void> {
    return this.#asFunded(remote, () => this.#modules.payee.accept(voucher))
  }

  /** A step that may have been refused for what the chain has by now is tried once more after a look at it. */
  async #asFunded(remote: Remote, step: () => void | Promise<void>): Promise<void> {
    try {
      await step()
      return
    } catch (error) {
      if (!isDenied(error)) throw error
    }
    const { isMoreComing } = await this.#looks.look(addressOfPublicKey(remote.publicKey), remote)
    try {
      await step()
    } catch (error) {
      throw isMoreComing && isDenied(error) ? notConfirmed(error) : error
    }
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

const isDenied = (error: unknown): error is UserError => error instanceof UserError && error.code === 'DENIED'

/** The same refusal, of which a moment's patience makes an end. */
function notConfirmed({ message, details }: UserError): UserError {
  return new UserError(message, {
    code: 'BUSY',
    remedy: 'wait until what is under way on the chain is confirmed',
    details: { ...details, retryAfterSeconds: CONFIRMED_AFTER_SECONDS },
  })
}

const keyOf = (channelId: Uint8Array, jobId: Uint8Array): string =>
  `${bytesToHex(channelId)}/${bytesToHex(jobId)}`
