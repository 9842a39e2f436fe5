/**
 * Transactions of one account, in order and once each. What was sent is on the disk before it goes out, so a killed
 * process takes it up again: it asks for the receipt, sends the same bytes again, replaces what is stuck (an eighth more
 * of both fees, up to the cap), sends again what a re-organisation took back, and never sends one intent twice.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalAccount, PublicClient, TransactionReceipt } from 'viem'
import { UserError } from '../errors.js'
import type { Logger } from '../telemetry/logger.js'
import { type CallPreview, type ChainCall, ownGasLimit, previewCall } from './call.js'
import { formatGwei } from './ether.js'
import { isBelowMarket, marketFees, replacementFees } from './fees.js'
import type { Journal } from './journal.js'
import { explainChainError, rpcMessage } from './reverts.js'
import { TransactionBook } from './transaction-book.js'
import type { TransactionRecord } from './transaction-record.js'
import { broadcast, failureOf, newestAttempt, receiptOf, signAttempt } from './transaction-wire.js'

/** Nodes keep 16 of one account in their pools for certain (geth: 16 executable slots). */
const MAX_IN_FLIGHT = 16
/** Callers that may wait for a place. */
const MAX_WAITING = 256
/** Two or three blocks of a slow chain without a receipt. */
const STUCK_AFTER_MS = 45_000
const POLL_MS = 2000
/** A nonce that is used up without a receipt of ours: seen so often before another transaction is believed to have it. */
const LOST_AFTER_POLLS = 5
/** Fresh nonces tried where another program sends from the same account, in a burst perhaps... */
const NONCE_TRIES = 16
/** ...with a random pause that grows up to this, so that neither runs after the other for ever. */
const MOST_NONCE_PAUSE_MS = 1000
/** A transaction that pays what the market asks is stuck for another reason: dearer only every so many rounds. */
const PATIENT_ROUNDS = 4
/** Attempts of one transaction at prices above the market's: four times the price. */
const MAX_IMPATIENT_ATTEMPTS = 12
/** Attempts at all, where the market's price keeps rising. */
const MAX_ATTEMPTS = 64

export interface QueueOptions {
  readonly client: PublicClient
  readonly account: LocalAccount
  readonly chainId: number
  /** Names the chain in the journal: a development chain that began anew is another one. */
  readonly scope: string
  readonly journal: Journal
  /** Never pay more per gas; undefined: no cap. */
  readonly maxFeePerGasWei?: bigint | undefined
  /** Blocks from the transaction's own to the newest, both counted. */
  readonly confirmations: number
  readonly pollMs?: number | undefined
  readonly stuckAfterMs?: number | undefined
  readonly log?: Logger | undefined
}

export interface SubmitOptions {
  /** Stops the waiting, not the transaction once it went out. */
  readonly signal?: AbortSignal | undefined
}

/** One open transaction and who waits for it. */
interface Tracked {
  record: TransactionRecord
  readonly done: Promise<TransactionReceipt>
  readonly resolve: (receipt: TransactionReceipt) => void
  readonly reject: (error: unknown) => void
  usedUpPolls: number
  lastSendMs: number
  /** Times it was found stuck. */
  stuckRounds: number
  /** Nobody knows whether a node has it. */
  isUnsure: boolean
}

export class TransactionQueue {
  readonly #options: QueueOptions
  /** By nonce; the map keeps their order. */
  readonly #open = new Map<number, Tracked>()
  readonly #book: TransactionBook
  readonly #stop = new AbortController()
  #tail: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #loop: Promise<void> | undefined

  private constructor(options: QueueOptions, book: TransactionBook) {
    this.#options = options
    this.#book = book
  }

  /** Reads what was sent before and takes it up again. */
  static async open(options: QueueOptions): Promise<TransactionQueue> {
    const { book, records } = await TransactionBook.open(
      options.journal,
      options.scope,
      options.account.address,
    )
    const queue = new TransactionQueue(options, book)
    for (const record of records.filter(({ state }) => state === 'sent' || state === 'mined')) {
      options.log?.info({ what: record.what, nonce: record.nonce }, 'a transaction is taken up again')
      // The process may have ended before it went out.
      queue.#track(record, true).done.catch(() => {})
    }
    queue.#run()
    return queue
  }

  get address() {
    return this.#options.account.address
  }

  /** Transactions without their final receipt. */
  get pending(): number {
    return this.#open.size
  }

  /** What a call needs and would do, without sending it: see {@link previewCall}. */
  preview(call: ChainCall): Promise<CallPreview> {
    return previewCall(this.#options.client, this.address, call, this.#options.maxFeePerGasWei)
  }

  /**
   * Sends a call and resolves with its receipt once it is deep enough. The same intent resolves with the same receipt.
   * @throws UserError with the contract's reason, with have and need, BUSY where too many wait, INTERRUPTED
   */
  async submit(call: ChainCall, { signal }: SubmitOptions = {}): Promise<TransactionReceipt> {
    if (this.#waiting >= MAX_WAITING)
      throw new UserError(`${call.what}: ${this.#waiting} transactions wait already`, {
        code: 'BUSY',
        remedy: 'try again when the chain has taken some',
      })
    this.#waiting++
    try {
      const tracked = await this.#inTurn(() => this.#begin(call, signal))
      return await this.#wait(tracked, signal)
    } finally {
      this.#waiting--
    }
  }

  /** Stops looking after transactions; they are taken up again by the next queue on the same journal. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    const error = new UserError('the transaction queue was closed', { code: 'INTERRUPTED' })
    for (const { reject } of this.#open.values()) reject(error)
  }

  /** One at a time: nonces are given out in order. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work)
    this.#tail = result.catch(() => {})
    return result
  }

  async #begin(call: ChainCall, signal: AbortSignal | undefined): Promise<Tracked | TransactionReceipt> {
    const intent = call.intent ?? randomUUID()
    const known = await this.#known(intent)
    if (known !== undefined) return known
    while (this.#open.size >= MAX_IN_FLIGHT) await this.#pause(signal)
    for (let tries = 1; ; tries++) {
      this.#throwIfStopped(signal)
      const preview = await this.preview(call)
      const record = await this.#sign(call, intent, await this.#nextNonce(), preview)
      // On the disk before anybody sees it: a crash from here on sends nothing twice.
      await this.#book.keep(record)
      const sending = await broadcast(this.#options, record)
      if (typeof sending === 'string') {
        const tracked = this.#track(record, sending === 'unsure')
        this.#run()
        return tracked
      }
      await this.#book.forget(record)
      const isNonceTaken = /nonce too low|replacement|underpriced|nonce.*(used|expired)/i.test(sending.text)
      if (!isNonceTaken || tries >= NONCE_TRIES) throw explainChainError(sending.error, call.what)
      this.#options.log?.debug({ what: call.what, reason: sending.text }, 'another program used the nonce')
      await this.#pause(signal, randomInt(Math.min(MOST_NONCE_PAUSE_MS, 2 ** (tries + 3))))
    }
  }

  /** What became of an intent that was submitted before; undefined where it is to be sent (again). */
  async #known(intent: string): Promise<Tracked | TransactionReceipt | undefined> {
    const nonce = this.#book.nonceOf(intent)
    if (nonce === undefined) return undefined
    const open = this.#open.get(nonce)
    if (open?.record.intent === intent) return open
    const record = await this.#book.get(nonce)
    if (record?.intent !== intent || record.state !== 'final') return undefined
    // A chain that does not know it was wiped or re-organised deeply: the chain is the truth.
    return receiptOf(this.#options, record)
  }

  async #sign(
    call: ChainCall,
    intent: string,
    nonce: number,
    { gasLimit, fees }: CallPreview,
  ): Promise<TransactionRecord> {
    const unsent = {
      intent,
      what: call.what.slice(0, 200),
      to: call.to,
      data: call.data,
      value: call.valueWei,
      gas: ownGasLimit(gasLimit),
      nonce,
      sentAtMs: Date.now(),
      state: 'sent' as const,
    }
    return { ...unsent, attempts: [await signAttempt(this.#options, unsent, fees)] }
  }

  /** After our own open ones, and after what other programs have in the pool. */
  async #nextNonce(): Promise<number> {
    const count = await this.#options.client.getTransactionCount({
      address: this.address,
      blockTag: 'pending',
    })
    return Math.max(count, ...[...this.#open.keys()].map((nonce) => nonce + 1))
  }

  #track(record: TransactionRecord, isUnsure: boolean): Tracked {
    const { promise: done, resolve, reject } = Promise.withResolvers<TransactionReceipt>()
    const lastSendMs = Date.now()
    const tracked: Tracked = {
      record,
      done,
      resolve,
      reject,
      usedUpPolls: 0,
      lastSendMs,
      stuckRounds: 0,
      isUnsure,
    }
    this.#open.set(record.nonce, tracked)
    return tracked
  }

  async #wait(
    tracked: Tracked | TransactionReceipt,
    signal: AbortSignal | undefined,
  ): Promise<TransactionReceipt> {
    if (!('done' in tracked)) return tracked
    const { done, record } = tracked
    if (signal === undefined) return done
    const { promise, reject } = Promise.withResolvers<never>()
    const onAbort = () =>
      reject(
        new UserError(`${record.what}: interrupted while transaction ${record.attempts.at(-1)?.hash} waits`, {
          code: 'INTERRUPTED',
          remedy: 'it may still be mined: run the command again to see',
        }),
      )
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([done, promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** One loop for all, while there is something to look after. */
  #run(): void {
    if (this.#loop !== undefined || this.#open.size === 0 || this.#stop.signal.aborted) return
    this.#loop = this.#follow().finally(() => {
      this.#loop = undefined
      this.#run()
    })
  }

  async #follow(): Promise<void> {
    const { log } = this.#options
    while (this.#open.size > 0 && !this.#stop.signal.aborted) {
      for (const tracked of [...this.#open.values()].sort((a, b) => a.record.nonce - b.record.nonce))
        try {
          await this.#look(tracked)
        } catch (error) {
          if (this.#stop.signal.aborted) return
          log?.debug({ what: tracked.record.what, reason: rpcMessage(error) }, 'asking for a receipt failed')
        }
      // A look may have seen the stop, and said nothing.
      if (!this.#stop.signal.aborted) await this.#pause(undefined)
    }
  }

  async #pause(signal: AbortSignal | undefined, forMs = this.#options.pollMs ?? POLL_MS): Promise<void> {
    this.#throwIfStopped(signal)
    const signals = AbortSignal.any([this.#stop.signal, ...(signal === undefined ? [] : [signal])])
    await sleep(forMs, undefined, { signal: signals }).catch(() => {})
  }

  #throwIfStopped(signal: AbortSignal | undefined): void {
    if (this.#stop.signal.aborted || signal?.aborted === true)
      throw new UserError('interrupted before the transaction was sent', { code: 'INTERRUPTED' })
  }

  /** One look at one transaction: mined, deep enough, gone, stuck or replaced by somebody else's. */
  async #look(tracked: Tracked): Promise<void> {
    const { client, confirmations, log } = this.#options
    const { record } = tracked
    const receipt = await receiptOf(this.#options, record)
    if (receipt !== undefined) {
      tracked.usedUpPolls = 0
      if (record.state !== 'mined' || record.minedHash !== receipt.transactionHash)
        await this.#change(tracked, { state: 'mined', minedHash: receipt.transactionHash })
      const head = await client.getBlockNumber({ cacheTime: 0 })
      if (head - receipt.blockNumber + 1n < BigInt(confirmations)) return
      const block = await client.getBlock({ blockNumber: receipt.blockNumber })
      // A receipt from before a re-organisation does not count.
      if (block.hash === receipt.blockHash) await this.#finish(tracked, receipt)
      return
    }
    if (record.state === 'mined') {
      log?.warn({ what: record.what, nonce: record.nonce }, 'a re-organisation took a transaction back')
      await this.#change(tracked, { state: 'sent' })
      await this.#sendAgain(tracked)
      return
    }
    const used = await client.getTransactionCount({ address: this.address, blockTag: 'latest' })
    if (used > record.nonce) return this.#usedUp(tracked)
    tracked.usedUpPolls = 0
    if (tracked.isUnsure) return this.#sendAgain(tracked)
    const stuckAfterMs = this.#options.stuckAfterMs ?? STUCK_AFTER_MS
    if (Date.now() - tracked.lastSendMs < stuckAfterMs) return
    await this.#replace(tracked)
  }

  /**
   * The nonce is taken and no receipt is ours: after some polls, and as deep as a transaction must be to count, another
   * transaction has it, and ours is simulated and sent anew. Servers whose receipts lag must not make us pay twice.
   */
  async #usedUp(tracked: Tracked): Promise<void> {
    if (++tracked.usedUpPolls < LOST_AFTER_POLLS) return
    const { client, confirmations } = this.#options
    const { record } = tracked
    const deep = (await client.getBlockNumber({ cacheTime: 0 })) - BigInt(confirmations)
    if (deep < 0n) return
    const used = await client.getTransactionCount({ address: this.address, blockNumber: deep })
    if (used <= record.nonce || (await receiptOf(this.#options, record)) !== undefined) return
    this.#options.log?.warn({ what: record.what, nonce: record.nonce }, 'another transaction took the nonce')
    this.#open.delete(record.nonce)
    await this.#book.forget(record)
    const { to, data, value: valueWei, what, intent } = record
    this.submit({ to, data, valueWei, what, intent }).then(tracked.resolve, tracked.reject)
  }

  async #replace(tracked: Tracked): Promise<void> {
    const { client, maxFeePerGasWei, log } = this.#options
    const { record } = tracked
    const newest = newestAttempt(record)
    const market = await marketFees(client, undefined).catch(() => undefined)
    const isBelow = market !== undefined && isBelowMarket(newest, market)
    const isPatient = ++tracked.stuckRounds % PATIENT_ROUNDS !== 0
    if (!isBelow && (isPatient || record.attempts.length >= MAX_IMPATIENT_ATTEMPTS))
      return this.#sendAgain(tracked)
    const fees =
      record.attempts.length >= MAX_ATTEMPTS ? undefined : replacementFees(newest, market, maxFeePerGasWei)
    if (fees === undefined) {
      log?.warn(
        {
          what: record.what,
          nonce: record.nonce,
          cap: maxFeePerGasWei === undefined ? 'none' : formatGwei(maxFeePerGasWei),
        },
        'a transaction is stuck, and the fee cap allows no higher price',
      )
      return this.#sendAgain(tracked)
    }
    const attempt = await signAttempt(this.#options, record, fees)
    log?.info(
      { what: record.what, nonce: record.nonce, maxFee: formatGwei(fees.maxFeePerGas) },
      'a stuck transaction is replaced',
    )
    await this.#change(tracked, { attempts: [...record.attempts, attempt] })
    await this.#sendAgain(tracked)
  }

  async #sendAgain(tracked: Tracked): Promise<void> {
    tracked.lastSendMs = Date.now()
    const sending = await broadcast(this.#options, tracked.record)
    tracked.isUnsure = sending === 'unsure'
    if (typeof sending !== 'string')
      this.#options.log?.debug({ what: tracked.record.what, reason: sending.text }, 'sending again failed')
  }

  async #finish(tracked: Tracked, receipt: TransactionReceipt): Promise<void> {
    const { record } = tracked
    const isGood = receipt.status === 'success'
    await this.#change(tracked, { state: isGood ? 'final' : 'reverted', minedHash: receipt.transactionHash })
    this.#open.delete(record.nonce)
    await this.#book.prune(this.#open)
    if (isGood) return tracked.resolve(receipt)
    this.#book.releaseIntent(record.intent)
    tracked.reject(await failureOf(this.#options, record, receipt))
  }

  async #change(tracked: Tracked, change: Partial<TransactionRecord>): Promise<void> {
    tracked.record = { ...tracked.record, ...change }
    await this.#book.keep(tracked.record)
  }
}
