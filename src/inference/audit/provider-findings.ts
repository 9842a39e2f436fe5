/**
 * What is known of one provider: its findings by receipt, its record, kept as they come and go, and which of them would be
 * missed least. A receipt that anybody blames it for is kept or forgotten whole, with what speaks for it. Pure.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { peerIdOfPublicKey } from '../../crypto/identity.js'
import {
  type Finding,
  isBlame,
  type Judgement,
  judgeReceipt,
  type ProviderRecord,
  wasUnanswered,
} from './finding.js'

/**
 * Receipts that one provider is blamed for: one suffices to leave it alone, and thousands of decoys would push out what
 * others did.
 */
export const MOST_BLAMED = 50

interface Blamed extends Omit<Judgement, 'at'> {
  /** Of the last blame. */
  readonly at: number
  /** Who blames it, as one string. */
  readonly by: string
}

export class ProviderFindings {
  readonly peerId: string
  /** By receipt, and there by name. */
  readonly #receipts = new Map<string, Map<string, Finding>>()
  /** Names of those that nobody's guilt hangs on, the oldest first. */
  readonly #harmless = new Set<string>()
  readonly #blamed = new Map<string, Blamed>()
  #blamedFindings = 0
  #audited = 0
  #unanswered = 0

  constructor(provider: Uint8Array) {
    this.peerId = peerIdOfPublicKey(provider)
  }

  /** Whether somebody blames it for the receipt at this place. */
  isBlamedFor(place: Pick<Finding, 'channelId' | 'index'>): boolean {
    return this.#blamed.has(receiptOf(place))
  }

  /** Findings of receipts that nobody blames it for. */
  get harmless(): number {
    return this.#harmless.size
  }

  /** Findings of receipts that somebody blames it for. */
  get blamed(): number {
    return this.#blamedFindings
  }

  get isEmpty(): boolean {
    return this.#receipts.size === 0
  }

  /** Unix seconds; null where it did not fail. */
  get lastFailure(): number | null {
    let last: number | null = null
    for (const { isFailed, at } of this.#blamed.values()) if (isFailed) last = Math.max(last ?? 0, at)
    return last
  }

  get record(): ProviderRecord {
    let failed = 0
    for (const { isFailed } of this.#blamed.values()) if (isFailed) failed++
    const { peerId: provider, lastFailure } = this
    const counts = { audited: this.#audited, failed, unanswered: this.#unanswered }
    return { provider, ...counts, isCut: failed >= MOST_BLAMED, lastFailure }
  }

  add(name: string, finding: Finding): void {
    this.#change(finding, (receipt) => receipt.set(name, finding))
    if (!this.#blamed.has(receiptOf(finding))) this.#harmless.add(name)
  }

  delete(name: string, finding: Finding): void {
    this.#harmless.delete(name)
    this.#change(finding, (receipt) => receipt.delete(name))
  }

  /** Names: those of receipts that it is blamed for, and the others. */
  names(): { readonly blamed: readonly string[]; readonly harmless: readonly string[] } {
    const blamed = [...this.#blamed.keys()].flatMap((key) => this.#namesOf(key))
    return { blamed, harmless: [...this.#harmless] }
  }

  get oldestHarmless(): string | undefined {
    const [name] = this.#harmless
    return name
  }

  /** Whether it is blamed for more than is kept. */
  get isOver(): boolean {
    return this.#blamed.size > MOST_BLAMED
  }

  /**
   * Names of the findings of one receipt: one that does not convict where there is any; otherwise of those that the same
   * auditors blame it for, where these are the most, so that it stays convicted by each of them. Of equal ones the oldest,
   * which ends first.
   */
  leastBlamed(): readonly string[] {
    const by = new Map<string, number>()
    for (const each of this.#blamed.values()) if (each.isFailed) by.set(each.by, (by.get(each.by) ?? 0) + 1)
    const keepBy = (each: Blamed): number => (each.isFailed ? 1 / (by.get(each.by) ?? 1) : 0)
    let least: readonly [string, Blamed] | undefined
    for (const each of this.#blamed) {
      const difference = least === undefined ? -1 : keepBy(each[1]) - keepBy(least[1])
      if (least === undefined || difference < 0 || (difference === 0 && each[1].at < least[1].at))
        least = each
    }
    return least === undefined ? [] : this.#namesOf(least[0])
  }

  #namesOf(key: string): readonly string[] {
    return [...(this.#receipts.get(key)?.keys() ?? [])]
  }

  /** One receipt's findings change, and the record with them. */
  #change(finding: Finding, change: (receipt: Map<string, Finding>) => void): void {
    const key = receiptOf(finding)
    const receipt = this.#receipts.get(key) ?? new Map<string, Finding>()
    if (judgeReceipt(receipt.values()) !== undefined) this.#audited--
    if (wasUnanswered(receipt.values())) this.#unanswered--
    const wasBlamed = this.#blamed.delete(key)
    if (wasBlamed) this.#blamedFindings -= receipt.size
    change(receipt)
    if (receipt.size === 0) {
      this.#receipts.delete(key)
      return
    }
    this.#receipts.set(key, receipt)
    const judgement = judgeReceipt(receipt.values())
    if (judgement !== undefined) this.#audited++
    if (wasUnanswered(receipt.values())) this.#unanswered++
    const blames = [...receipt.values()].filter(isBlame)
    if (blames.length > 0) {
      const by = [...new Set(blames.map(({ auditor }) => bytesToHex(auditor)))].sort().join()
      const at = Math.max(...blames.map((each) => each.at))
      this.#blamed.set(key, { isFailed: judgement?.isFailed === true, at: judgement?.at ?? at, by })
      this.#blamedFindings += receipt.size
      // Without what speaks against it, one auditor alone would convict.
      for (const name of receipt.keys()) this.#harmless.delete(name)
    } else if (wasBlamed) for (const name of receipt.keys()) this.#harmless.add(name)
  }
}

const receiptOf = ({ channelId, index }: Pick<Finding, 'channelId' | 'index'>): string =>
  `${bytesToHex(channelId)}/${index}`
