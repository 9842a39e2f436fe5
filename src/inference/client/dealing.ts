/**
 * Dealing with one provider: the payer's half of the exchanges. Each job is begun on the disk before the provider
 * has the whole of it, each voucher kept before its last byte leaves; what a broken connection or a restart left open is settled by `sync`.
 */
import { randomBytes } from 'node:crypto'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { UserError } from '../../errors.js'
import {
  type AskOptions,
  type Host,
  MAX_SHARED_REQUEST_BYTES,
  type PeerTarget,
  RemoteError,
  SpareStream,
} from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { hashOf } from '../network/job-codec.js'
import { asError, HAVE_MESSAGE, JOB_MESSAGE, type JobReply, PAY_MESSAGE } from '../network/messages.js'
import {
  type Payer,
  ReceiptKind,
  readReceipt,
  receiptDigest,
  type SignedReceipt,
  voucherToCbor,
} from '../payment/index.js'
import { untilAborted } from '../until-aborted.js'
import type { Claim } from './claims.js'
import { withEarlier } from './earlier-receipts.js'
import { isLackOfMoney, isRemote } from './failures.js'
import { patiently } from './patiently.js'
import { ReceiptDates, type ReceiptDatesOptions } from './receipt-dates.js'
import { type SettlingModules, settle } from './settling.js'
import { Settlings } from './settlings.js'
import { WordsOfDelivery } from './words-of-delivery.js'

export interface DealingModules extends ReceiptDatesOptions {
  readonly host: Pick<Host, 'request' | 'openAhead'>
  /** Where it is to begin with: see {@link Dealing.reach}. */
  readonly target: PeerTarget
  /** Absent where only free jobs are asked for. */
  readonly payment?: { readonly payer: Payer; readonly domain: TypedDomain }
  readonly log: Logger
}

export interface Order {
  readonly model: Uint8Array
  readonly terms: Uint8Array
  readonly input: Uint8Array
  readonly priceWei: bigint
  /** Absent where it is free. */
  readonly channelId?: Uint8Array
  /** What keeps room for it in that channel, before it is in the ledger and where it comes to be there once more. */
  readonly claim?: Pick<Claim, 'hold' | 'release'>
  /** Until its receipt, or its output, is here, settling before it included; the exchange's own time unless given. */
  readonly patienceMs?: number
  /** It stands in the ledger, and is asked for: what is open from before was settled. */
  readonly onBegun?: () => void
  /** Its receipt is here: from now on it may cost what it costs, whatever goes wrong. */
  readonly onReceipt?: () => void
}

export interface Delivery {
  readonly output: Uint8Array
  readonly runMs: number
  readonly receipt?: SignedReceipt
  readonly receiptDigest?: string
}

const LAST_WORDS_MS = 5000

export class Dealing {
  readonly #modules: DealingModules
  /** Jobs that this process waits for. */
  readonly #active = new Set<string>()
  readonly #settlings: Settlings
  readonly #dates: ReceiptDates
  /** Words to the provider that are on their way. */
  readonly #telling = new Set<Promise<void>>()
  readonly #words: WordsOfDelivery
  /** For the next long job. */
  #spare: SpareStream
  #target: PeerTarget

  constructor(modules: DealingModules) {
    this.#modules = modules
    this.#target = modules.target
    this.#dates = new ReceiptDates(modules)
    this.#words = new WordsOfDelivery((channelId, jobIds) =>
      modules.host.request(this.#target, HAVE_MESSAGE, { channelId, jobIds }),
    )
    this.#settlings = new Settlings({
      name: modules.name,
      settle: (channelId, onPage, signal) => settle(this.#settlingOf(channelId), channelId, onPage, signal),
      onFailure: (error) => this.#note(error),
    })
    this.#spare = this.#newSpare()
  }

  /** Where the provider is from now on. */
  reach(target: PeerTarget): void {
    if (isSameTarget(target, this.#target)) return
    this.#target = target
    this.#spare.close()
    this.#spare = this.#newSpare()
  }

  /** The connection has ended: both sides are brought to one state before the next job. */
  reopen(): void {
    this.#settlings.reopenAll()
  }

  #newSpare(): SpareStream {
    return new SpareStream(() => this.#modules.host.openAhead(this.#target, JOB_MESSAGE))
  }

  /** Whether jobs are under way, or words about them: with them ends what they stand for against limits. */
  get isBusy(): boolean {
    return this.#active.size + this.#telling.size > 0
  }

  /** Whether nothing is under way, settling included. */
  get isIdle(): boolean {
    return !this.isBusy && this.#settlings.isIdle
  }

  /**
   * One job, paid where it costs something.
   * @throws UserError what the provider answered; VERIFICATION_FAILED where it cheats: leave it
   */
  async run(order: Order, signal?: AbortSignal): Promise<Delivery> {
    const { channelId } = order
    if (channelId === undefined) return this.#runFree(order, signal)
    const telling = [...this.#telling]
    const begunMs = performance.now()
    const left = (): Pick<Order, 'patienceMs'> => leftOf(order.patienceMs, performance.now() - begunMs)
    try {
      return await this.#runPaid({ ...order, channelId }, signal)
    } catch (error) {
      // Outputs of which the provider was not told yet that they are here stand against its limit.
      if (telling.length === 0 || !isLackOfMoney(error)) throw error
      const isTold = await within(Promise.all(telling), left().patienceMs, signal)
      if (!isTold) throw error
      return this.#runPaid({ ...order, ...left(), channelId }, signal)
    }
  }

  async #runFree(order: Order, signal?: AbortSignal): Promise<Delivery> {
    const { name } = this.#modules
    const reply = await this.#ask(order, new Uint8Array(randomBytes(32)), {}, signal)
    if (reply.kind === 'refused') throw asError(reply, name)
    if (reply.kind !== 'output')
      throw new UserError(`${name} asks for money for a job that it offered for nothing`, {
        code: 'VERIFICATION_FAILED',
      })
    return { output: reply.output, runMs: reply.runMs }
  }

  async #runPaid(order: Order & { readonly channelId: Uint8Array }, signal?: AbortSignal): Promise<Delivery> {
    const { payer, domain } = this.#payment()
    const { channelId, model, terms, input, priceWei, claim } = order
    const begunMs = performance.now()
    await this.#settlings.before(channelId, order.patienceMs, signal)
    const left = leftOf(order.patienceMs, performance.now() - begunMs)
    signal?.throwIfAborted()
    const jobId = new Uint8Array(randomBytes(32))
    const key = bytesToHex(jobId)
    this.#active.add(key)
    let isOpen = true
    const ahead = input.length > MAX_SHARED_REQUEST_BYTES ? this.#spare.take() : undefined
    try {
      const { kept } = payer.beginNow(channelId, {
        jobId,
        model,
        input: hashOf(input),
        terms: hashOf(terms),
        maxPriceWei: priceWei,
        askedAt: Math.floor(this.#dates.now()),
      })
      claim?.release()
      order.onBegun?.()
      const options = { until: kept, ...(ahead === undefined ? {} : { ahead }) }
      const reply = await this.#ask({ ...order, ...left }, jobId, options, signal)
      if (reply.kind === 'refused') {
        const dropped = payer.drop(channelId, jobId)
        claim?.hold()
        await dropped
        isOpen = false
        throw asError(reply, this.#modules.name)
      }
      if (reply.kind === 'output') {
        await payer.drop(channelId, jobId)
        isOpen = false
        return { output: reply.output, runMs: reply.runMs }
      }
      const receipt = readReceipt(reply.receipt)
      order.onReceipt?.()
      const output = await this.#pay(channelId, jobId, receipt, signal)
      isOpen = false
      if (ahead !== undefined) this.#spare.renew()
      const digest = bytesToHex(receiptDigest(domain, receipt))
      return { output, runMs: reply.runMs, receipt, receiptDigest: digest }
    } finally {
      ahead?.release()
      this.#active.delete(key)
      if (isOpen) this.#settlings.reopen(channelId)
    }
  }

  async #ask(
    { model, terms, input, channelId, patienceMs }: Order,
    jobId: Uint8Array,
    options: AskOptions,
    signal: AbortSignal | undefined,
  ): Promise<JobReply> {
    const { host } = this.#modules
    const request = { jobId, model, terms, input, ...(channelId === undefined ? {} : { channelId }) }
    return host.request(this.#target, JOB_MESSAGE, request, {
      ...options,
      ...(patienceMs === undefined ? {} : { deadlineMs: patienceMs }),
      ...(signal === undefined ? {} : { signal }),
    })
  }

  /** Receipt to output. */
  async #pay(
    channelId: Uint8Array,
    jobId: Uint8Array,
    receipt: SignedReceipt,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const { payer } = this.#payment()
    if (Buffer.compare(receipt.jobId, jobId) !== 0 || Buffer.compare(receipt.channelId, channelId) !== 0)
      throw new UserError(`${this.#modules.name} answered with the receipt of another job`, {
        code: 'VERIFICATION_FAILED',
      })
    this.#dates.requireNow(receipt)
    const { voucher, kept } = await this.#withEarlier(channelId, signal, (either) =>
      payer.receiveNow(receipt, either),
    )
    const options = { until: kept, ...(signal === undefined ? {} : { signal }) }
    const output = await this.#fetch(channelId, jobId, voucherToCbor(voucher), options).catch(
      (error: unknown) => {
        throw isRemote(error) || error instanceof RemoteError ? undelivered(error) : error
      },
    )
    if (output === undefined)
      throw new UserError(`${this.#modules.name} lost the output: its price is taken off the next jobs`, {
        code: 'UNAVAILABLE',
        remedy: 'ask again',
      })
    return output
  }

  /** A receipt that waits for earlier ones has them asked for. @throws as {@link withEarlier} */
  #withEarlier<T>(
    channelId: Uint8Array,
    signal: AbortSignal | undefined,
    receive: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { payer } = this.#payment()
    const settle = (): Promise<void> => this.settle(channelId)
    return withEarlier(channelId, receive, { name: this.#modules.name, payer, settle }, signal)
  }

  /** A receipt that comes beside its job. @throws UserError WRONG_CLOCK; as `Payer.receive` */
  async #take(receipt: SignedReceipt, signal?: AbortSignal): Promise<void> {
    const { payer } = this.#payment()
    const { kind, channelId, jobId } = receipt
    if (kind === ReceiptKind.job) {
      // What is not among them is held already, or was never asked for: the ledger knows.
      const job = payer.account(channelId).asked.find((each) => Buffer.compare(each.jobId, jobId) === 0)
      if (job !== undefined) this.#dates.requireSince(receipt, job.askedAt)
    }
    await payer.receive(receipt, signal)
  }

  /** The output of a job that is paid; undefined where it was credited. */
  async #fetch(
    channelId: Uint8Array,
    jobId: Uint8Array,
    voucher: ReturnType<typeof voucherToCbor>,
    options: AskOptions & { readonly isSettling?: boolean } = {},
  ): Promise<Uint8Array | undefined> {
    const { payer } = this.#payment()
    const { host, name } = this.#modules
    // Many outputs at once, or those of others, may leave no room for this one.
    const answer = await patiently(
      () => host.request(this.#target, PAY_MESSAGE, { jobId, voucher }, options),
      options.signal,
    )
    if (answer.kind === 'refused') throw asError(answer, name)
    if (answer.kind === 'credited') {
      for (const credit of answer.receipts.map((each) => readReceipt(each))) {
        // A settling that asks for what is missing would wait for itself: it takes all of it in its next round.
        if (options.isSettling === true && credit.index > payer.account(channelId).receipts + 1) break
        await this.#withEarlier(channelId, options.signal, (either) => this.#take(credit, either))
      }
      return undefined
    }
    const { kept } = payer.deliverNow(channelId, jobId, hashOf(answer.output))
    // The job waits for neither: an output that is not written down is fetched again, and what gets lost of the word is
    // told by the next settling.
    const telling = kept
      .then(() => this.#words.tell(channelId, jobId))
      .catch(() => this.#settlings.reopen(channelId))
      .finally(() => this.#telling.delete(telling))
    this.#telling.add(telling)
    return answer.output
  }

  /** What was delivered is told to the provider, if that takes no longer than a moment; what is being settled stays as it is. */
  async close(): Promise<void> {
    this.#spare.close()
    const settled = this.#settlings.close()
    const late = new Promise<void>((resolve) => setTimeout(resolve, LAST_WORDS_MS).unref())
    await Promise.race([Promise.all([...this.#telling, settled]), late])
  }

  /**
   * Brings both sides to one state: receipts that are missing here, jobs that are not known there, outputs that were paid.
   * One at a time. @throws UserError as the provider's answers; VERIFICATION_FAILED
   */
  settle(channelId: Uint8Array): Promise<void> {
    return this.#settlings.settle(channelId)
  }

  #settlingOf(channelId: Uint8Array): SettlingModules {
    const { host, name } = this.#modules
    return {
      ...{ name, payer: this.#payment().payer },
      ask: (exchange, body, options) => host.request(this.#target, exchange, body, options),
      isActive: (jobId) => this.#active.has(bytesToHex(jobId)),
      take: (receipt, signal) => this.#take(receipt, signal),
      fetch: (jobId, voucher, signal) => this.#fetch(channelId, jobId, voucher, { signal, isSettling: true }),
      onLost: (error) => this.#note(error),
    }
  }

  #payment(): NonNullable<DealingModules['payment']> {
    const { payment } = this.#modules
    if (payment === undefined) throw new Error('a paid job needs a ledger')
    return payment
  }

  #note(error: unknown): void {
    this.#modules.log.debug({ reason: String(error), provider: this.#modules.name }, 'a settling failed')
  }
}

/** What is left of a job's patience after so long, for who has some. */
const leftOf = (patienceMs: number | undefined, spentMs: number): Pick<Order, 'patienceMs'> =>
  patienceMs === undefined ? {} : { patienceMs: Math.max(1, Math.ceil(patienceMs - spentMs)) }

/** Whether it is done in time, where there is a time. @throws the signal's reason */
async function within(
  work: Promise<unknown>,
  ms: number | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    if (ms !== undefined) timer = setTimeout(resolve, ms, false)
  })
  const either = Promise.race([work.then(() => true), late])
  return (signal === undefined ? either : untilAborted(either, signal)).finally(() => clearTimeout(timer))
}

/**
 * Whatever a provider says once it was paid: it has failed the job, which is not bought there again for that. The output
 * comes with the next settling, or its price is taken off.
 */
const undelivered = (cause: UserError): UserError =>
  new UserError(`${cause.message} (it was paid, and gave no output)`, {
    code: 'UNAVAILABLE',
    remedy: 'ask again: others are asked first',
    cause,
  })

const isSameTarget = (a: PeerTarget, b: PeerTarget): boolean =>
  a === b || JSON.stringify(a) === JSON.stringify(b)
