/**
 * One channel as an auditor sees it: the chain of its receipts, followed from the first that the provider gives, and what
 * of it waits for a beacon round. Where the provider has no receipt any more that follows the last one, it is followed from
 * the first that there is: what lies between is judged by redemptions, as far as it must be kept. Pure.
 */
import type { Address } from '../../crypto/address.js'
import { decode, encode } from '../../crypto/cbor.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { KEPT_RECEIPTS } from '../payment/index.js'
import {
  isReceiptOf,
  ReceiptKind,
  readReceipt,
  receiptDigest,
  receiptToCbor,
  type SignedReceipt,
} from '../payment/receipt.js'
import type { Asking } from './asking.js'

export interface WaitingReceipt {
  readonly receipt: SignedReceipt
  readonly digest: Uint8Array
  /** It was there when the provider said that it had given everything: it has no age that excuses it. */
  readonly isHidden: boolean
}

/** A provider gave all that it has, it said. */
export interface WholeAnswer {
  /** When it was asked, Unix seconds. */
  readonly at: number
  /** Number of the last receipt by then; 0 where there was none. */
  readonly last: number
}

/** A redemption whose receipts are to be there. */
export interface WaitingRedemption {
  readonly receipts: number
  readonly receiptsHead: Uint8Array
  /** Unix seconds. */
  readonly at: number
  /** For the receipts that it commits to. */
  readonly asking: Asking
}

/**
 * Between a receipt's date and its showing: a disk that is slow, and clocks that differ. It may be long, since age excuses a
 * receipt that was not hidden only after most of a day.
 */
const SHOWN_WITHIN_SECONDS = 3600
/** Of the receipts that are kept: so many may come, and push others out, while the provider is asked. */
const MARGIN_SHARE = 0.05
/** Of one channel, held here. */
const MOST_WAITING = 10_000
/** A later redemption commits to what an earlier one did. */
const MOST_REDEMPTIONS = 100

export class WatchedChannel {
  readonly channelId: Uint8Array
  readonly payee: Address
  readonly redemptions: WaitingRedemption[] = []
  /** When it was asked for, Unix seconds; 0: never. */
  askedAt = 0
  /** When something of it was last drawn, Unix seconds; 0: never. */
  drawnAt = 0
  /** When it was opened, redeemed, or had a new receipt, Unix seconds. */
  activeAt = 0
  /** Unix seconds. */
  closedAt: number | undefined
  readonly #domain: TypedDomain
  /** The newest receipts, so many, must be there. */
  readonly #owed: number
  readonly #kept: number
  /** Receipts that were given and are not redeemed yet, by number, as they travel: a quarter of what they take once read. */
  readonly #given = new Map<number, Uint8Array>()
  /** Jobs whose round has not come, the oldest first. */
  #waiting: WaitingReceipt[] = []
  #last: { readonly index: number; readonly digest: Uint8Array } | undefined
  /** Since the last gap: the first receipt, and how many jobs. */
  #run = { first: 1, jobs: 0 }
  /** Receipts up to this one were checked against a redemption. */
  #checked = 0
  /** Since the provider last said that it had given everything. */
  #takenSinceWhole = 0
  #whole: WholeAnswer | undefined

  /**
   * @param kept receipts of a channel that its payee keeps, the newest
   * @param whole of a former run
   */
  constructor(
    channelId: Uint8Array,
    payee: Address,
    domain: TypedDomain,
    kept = KEPT_RECEIPTS,
    whole?: WholeAnswer,
  ) {
    this.#whole = whole
    this.#kept = kept
    this.#owed = Math.floor(kept * (1 - MARGIN_SHARE))
    this.channelId = channelId
    this.payee = payee
    this.#domain = domain
  }

  /** Number of the first receipt that was not given yet. */
  get next(): number {
    return (this.#last?.index ?? 0) + 1
  }

  /** Whether nothing of it waits. */
  get isIdle(): boolean {
    return this.redemptions.length === 0 && this.#waiting.length === 0
  }

  /** The last answer that was whole; undefined where none was. */
  get whole(): WholeAnswer | undefined {
    return this.#whole
  }

  /** Everything that there is was taken, the provider says. @param at when it was asked, Unix seconds */
  isWhole(at: number): void {
    this.#takenSinceWhole = 0
    // What was hidden is known by the answer before, also to a new run: until it is decided that one stands.
    if (this.#waiting.some(({ isHidden }) => isHidden)) return
    this.#whole = { at, last: Math.max(this.#last?.index ?? 0, this.#whole?.last ?? 0) }
  }

  /** A redemption, in the order of the chain. */
  redeemed(redemption: WaitingRedemption): void {
    this.redemptions.push(redemption)
    this.activeAt = Math.max(this.activeAt, redemption.at)
    if (this.redemptions.length > MOST_REDEMPTIONS) this.redemptions.shift()
  }

  /**
   * Takes receipts as they follow each other, or after a gap; stops at the first that contradicts the last or is not the
   * payee's, which the redemption will show.
   * @param isOpen whether a job's round lies ahead: a credit that is seen by then excuses the job that it takes back; one
   *   that is seen later may have been made because of the draw, and excuses nothing
   * @returns how many were taken
   */
  take(receipts: readonly SignedReceipt[], isOpen: (job: SignedReceipt) => boolean = () => false): number {
    let taken = 0
    for (const receipt of receipts) {
      if (!this.#follows(receipt)) break
      const digest = receiptDigest(this.#domain, receipt)
      if (receipt.index !== this.next) this.#run = { first: receipt.index, jobs: 0 }
      if (receipt.kind === ReceiptKind.job) this.#run.jobs++
      this.#last = { index: receipt.index, digest }
      this.#given.set(receipt.index, encode(receiptToCbor(receipt)))
      if (receipt.kind === ReceiptKind.job)
        this.#waiting.push({ receipt, digest, isHidden: this.#isHidden(receipt) })
      else this.#excuse(receipt, isOpen)
      taken++
    }
    this.#takenSinceWhole += taken
    this.keepNewest(MOST_WAITING)
    return taken
  }

  /** Those that a round decides now, the oldest first. */
  due(isDue: (receipt: SignedReceipt) => boolean): readonly WaitingReceipt[] {
    return this.#waiting.filter(({ receipt }) => isDue(receipt))
  }

  /** These were decided. */
  drop(decided: ReadonlySet<WaitingReceipt>): void {
    this.#waiting = this.#waiting.filter((each) => !decided.has(each))
  }

  /** The receipt of this number, where it was given and is not settled. */
  given(index: number): SignedReceipt | undefined {
    const encoded = this.#given.get(index)
    return encoded === undefined ? undefined : readReceipt(decode(encoded))
  }

  /** Receipts that are held here. */
  get held(): number {
    return Math.max(this.#given.size, this.#waiting.length)
  }

  /** The newest so many stay. The others go, unaudited where they wait, and nobody is blamed for them. */
  keepNewest(most: number): void {
    this.#waiting = this.#waiting.slice(Math.max(0, this.#waiting.length - most))
    for (const index of this.#given.keys()) {
      if (this.#given.size <= most) break
      this.#given.delete(index)
      this.#checked = Math.max(this.#checked, index)
    }
  }

  /**
   * Whether enough was given to check a redemption though more comes: all that it commits to, or so much behind a gap that
   * what lacks may have made room. Who is read in several rounds has made no room by what is not read yet; who goes on from
   * gap to gap puts nothing off for long.
   */
  isReached({ receipts }: Pick<WaitingRedemption, 'receipts'>): boolean {
    const { first } = this.#run
    const isFilled = first <= this.#oldestOf(receipts) || this.next - first >= this.#owed
    return this.next > receipts && (isFilled || this.#takenSinceWhole >= 2 * this.#kept)
  }

  /** What is to be checked of a redemption: those that came after the one before, as far as they are kept. */
  committed({ receipts }: WaitingRedemption): {
    readonly from: number
    readonly produced: readonly SignedReceipt[]
  } {
    const newest = this.#isPushedOut ? Math.max(receipts, this.#last?.index ?? 0) : receipts
    const from = this.#oldestOf(newest)
    const produced = [...this.#given.keys()]
      .filter((index) => index >= from && index <= receipts)
      .flatMap((index) => this.given(index) ?? [])
    return { from, produced }
  }

  /** Number of the first receipt that must be there, and was not checked, where this is the newest. */
  #oldestOf(newest: number): number {
    return Math.max(this.#checked + 1, newest - this.#owed + 1, 1)
  }

  /**
   * Whether receipts that lack before the followed ones may have made room for these: a receipt that was made up far ahead
   * hides none, nor do credits. Jobs that were made up would be drawn.
   */
  get #isPushedOut(): boolean {
    const { first, jobs } = this.#run
    const length = this.next - first
    return first === 1 || (length >= this.#owed && jobs >= this.#owed / 2)
  }

  /** A redemption was checked. */
  settle({ receipts }: WaitingRedemption): void {
    this.#checked = Math.max(this.#checked, receipts)
    for (const index of this.#given.keys()) if (index <= receipts) this.#given.delete(index)
  }

  /** Who gives the price back, and all of it, was paid for nothing. */
  #excuse({ output, jobId, priceWei }: SignedReceipt, isOpen: (job: SignedReceipt) => boolean): void {
    this.#waiting = this.#waiting.filter(({ receipt, digest }) => {
      const isOf = Buffer.compare(digest, output) === 0 && Buffer.compare(receipt.jobId, jobId) === 0
      return !isOf || receipt.priceWei !== priceWei || !isOpen(receipt)
    })
  }

  #isHidden({ index, issuedAt }: SignedReceipt): boolean {
    const whole = this.#whole
    return whole !== undefined && index > whole.last && issuedAt + SHOWN_WITHIN_SECONDS < whole.at
  }

  #follows(receipt: SignedReceipt): boolean {
    if (Buffer.compare(receipt.channelId, this.channelId) !== 0) return false
    if (!isReceiptOf(this.#domain, receipt, this.payee)) return false
    const last = this.#last
    // The first that is still kept may have any number, at the beginning and after a gap.
    if (last === undefined || receipt.index > last.index + 1) return true
    return receipt.index === last.index + 1 && Buffer.compare(receipt.previous, last.digest) === 0
  }
}
