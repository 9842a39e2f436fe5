/**
 * Whether receipts are dated so that a beacon can draw them: what is not is not paid. Two clocks differ, and nothing here
 * tells which of them is wrong: nobody is left for it.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { UserError } from '../../errors.js'
import type { SignedReceipt } from '../payment/index.js'

export interface ReceiptDatesOptions {
  /** Of the provider, for messages to people. */
  readonly name: string
  /** As `BuyerAudits.isTimely`; absent: any date will do. */
  readonly isTimely?: (issuedAt: number, at?: number) => boolean
  /** Unix seconds; the clock of this machine unless given. */
  readonly now?: () => number
}

/** Jobs whose receipts were dated amiss: a channel has few that are open. */
const MOST_MISDATED = 1000
/** The dates of an older job's receipt are let be: a clock that was wrong once must not close a channel for good. */
const HELD_TO_SECONDS = 86_400

export class ReceiptDates {
  readonly #options: ReceiptDatesOptions
  /** Jobs whose receipts were not dated now when they came, in monotonic milliseconds. */
  readonly #misdated = new Map<string, number>()

  constructor(options: ReceiptDatesOptions) {
    this.#options = options
  }

  /** Unix seconds. */
  now(): number {
    return this.#options.now?.() ?? Date.now() / 1000
  }

  /**
   * The receipt came as the answer to its job. One that comes again is held against the time at which it came first, by
   * the clock as it is set by then.
   * @throws UserError WRONG_CLOCK
   */
  requireNow({ jobId, issuedAt }: SignedReceipt): void {
    const { isTimely } = this.#options
    const key = bytesToHex(jobId)
    const now = performance.now()
    const cameMs = this.#misdated.get(key) ?? now
    if (isTimely?.(issuedAt + (now - cameMs) / 1000) !== false) {
      this.#misdated.delete(key)
      return
    }
    if (this.#misdated.size < MOST_MISDATED) this.#misdated.set(key, cameMs)
    throw this.#wrongClock(issuedAt)
  }

  /**
   * The receipt came beside its job: it may have waited since that was asked for, and no longer.
   * @param askedAt Unix seconds; undefined where that is not known
   * @throws UserError WRONG_CLOCK
   */
  requireSince(receipt: SignedReceipt, askedAt: number | undefined): void {
    const { isTimely } = this.#options
    const { jobId, issuedAt } = receipt
    if (this.#misdated.has(bytesToHex(jobId))) {
      this.requireNow(receipt)
      return
    }
    const now = this.now()
    // By a clock that was set back since it says nothing.
    const since = askedAt === undefined || askedAt > now || now - askedAt > HELD_TO_SECONDS ? 0 : askedAt
    if (isTimely?.(issuedAt, Math.min(now, Math.max(since, issuedAt))) === false)
      throw this.#wrongClock(issuedAt)
  }

  #wrongClock(issuedAt: number): UserError {
    return new UserError(
      `${this.#options.name} dated its receipt ${new Date(issuedAt * 1000).toISOString()}, which was not then by the clock of this machine`,
      { code: 'WRONG_CLOCK', remedy: 'set that clock, if it is wrong; otherwise choose another provider' },
    )
  }
}
