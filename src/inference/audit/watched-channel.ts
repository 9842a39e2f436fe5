/**
 * One channel as an auditor sees it: the chain of its receipts, followed from the first that the provider gives, and what
 * of it waits for a beacon round. Pure.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Address } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { KEPT_RECEIPTS } from '../payment/index.js'
import { isReceiptOf, ReceiptKind, receiptDigest, type SignedReceipt } from '../payment/receipt.js'

export interface WaitingReceipt {
  readonly receipt: SignedReceipt
  readonly digest: Uint8Array
}

/** A redemption whose receipts are to be there. */
export interface WaitingRedemption {
  readonly receipts: number
  readonly receiptsHead: Uint8Array
  /** Unix seconds. */
  readonly at: number
}

/** Receipts that may come, and push others out, while the provider is asked. */
const MARGIN = 500
/** Of one channel, held here. */
const MOST_WAITING = 10_000

export class WatchedChannel {
  readonly channelId: Uint8Array
  readonly payee: Address
  readonly redemptions: WaitingRedemption[] = []
  readonly #domain: TypedDomain
  /** Receipts that were given and are not redeemed yet, by number. */
  readonly #given = new Map<number, SignedReceipt>()
  /** Jobs whose round has not come, the oldest first. */
  #waiting: WaitingReceipt[] = []
  #last: { readonly index: number; readonly digest: Uint8Array } | undefined
  /** Receipts up to this one were checked against a redemption. */
  #checked = 0

  constructor(channelId: Uint8Array, payee: Address, domain: TypedDomain) {
    this.channelId = channelId
    this.payee = payee
    this.#domain = domain
  }

  /** Number of the first receipt that was not given yet. */
  get next(): number {
    return (this.#last?.index ?? 0) + 1
  }

  /**
   * Takes receipts as they follow each other; stops at the first that does not, which the redemption will show.
   * @returns how many were taken
   */
  take(receipts: readonly SignedReceipt[]): number {
    let taken = 0
    for (const receipt of receipts) {
      if (!this.#follows(receipt)) break
      const digest = receiptDigest(this.#domain, receipt)
      this.#last = { index: receipt.index, digest }
      this.#given.set(receipt.index, receipt)
      if (receipt.kind === ReceiptKind.job) this.#waiting.push({ receipt, digest })
      taken++
    }
    this.#bound()
    return taken
  }

  /** Takes out those that a round decides now. */
  due(isDue: (receipt: SignedReceipt) => boolean): readonly WaitingReceipt[] {
    const due = this.#waiting.filter(({ receipt }) => isDue(receipt))
    this.#waiting = this.#waiting.filter(({ receipt }) => !isDue(receipt))
    return due
  }

  /** What is to be checked of a redemption: those that came after the one before, as far as they are kept. */
  committed({ receipts }: WaitingRedemption): {
    readonly from: number
    readonly produced: readonly SignedReceipt[]
  } {
    const newest = Math.max(receipts, this.#last?.index ?? 0)
    const from = Math.max(this.#checked + 1, newest - KEPT_RECEIPTS + 1 + MARGIN, 1)
    const produced = [...this.#given.values()].filter(({ index }) => index >= from && index <= receipts)
    return { from, produced }
  }

  /** A redemption was checked. */
  settle({ receipts }: WaitingRedemption): void {
    this.#checked = Math.max(this.#checked, receipts)
    for (const index of this.#given.keys()) if (index <= receipts) this.#given.delete(index)
  }

  /** Too many to hold: the oldest go unaudited, and nobody is blamed for them. */
  #bound(): void {
    this.#waiting = this.#waiting.slice(-MOST_WAITING)
    for (const index of this.#given.keys()) {
      if (this.#given.size <= MOST_WAITING) break
      this.#given.delete(index)
      this.#checked = Math.max(this.#checked, index)
    }
  }

  #follows(receipt: SignedReceipt): boolean {
    if (Buffer.compare(receipt.channelId, this.channelId) !== 0) return false
    if (!isReceiptOf(this.#domain, receipt, this.payee)) return false
    const last = this.#last
    // The first that is still kept may have any number.
    if (last === undefined) return true
    return receipt.index === last.index + 1 && bytesToHex(receipt.previous) === bytesToHex(last.digest)
  }
}
