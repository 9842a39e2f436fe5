/**
 * What an auditor tells in an hour: so many findings of one auditor are passed on at most, and no provider that has itself
 * blamed, or found good, as often as it likes takes that from what is to be told of others. Pure.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { type Finding, isBlame } from './finding.js'

const HOUR_MS = 3600_000
/** Findings of one auditor in an hour, passed on: more than a machine can run again. */
export const MOST_AN_HOUR = 2000
/** One convicts. */
const MOST_BLAMES_OF_ONE = 5
const MOST_GOOD_OF_ONE = 20
/** Each takes 19 good ones back: decoys that are found good leave them to be told. */
const MOST_UNANSWERED_OF_ONE = 20
/** Of receipts that somebody blames: one that is not heard leaves an honest provider convicted. */
const MOST_CONTESTED = 200
/** Of all others, and of those without an answer: what blames somebody never waits for these. */
const MOST_GOOD = MOST_AN_HOUR / 2 - MOST_CONTESTED
/** What was told before, told to newcomers: who comes later asks. */
const MOST_AGAIN = MOST_AN_HOUR / 4

export class Telling {
  #hour = 0
  #good = 0
  #contested = 0
  #again = 0
  readonly #ofOne = new Map<string, number>()

  /**
   * Whether a new finding is told, and counts.
   * @param nowMs Unix milliseconds, as {@link isToldAgain}
   * @param isContested somebody blames the receipt: what acquits it is told beyond what is told of its provider
   */
  isTold(finding: Pick<Finding, 'provider' | 'verdict'>, nowMs: number, isContested = false): boolean {
    this.#turn(nowMs)
    const isBlaming = isBlame(finding)
    if (isContested && finding.verdict === 'good' && this.#contested < MOST_CONTESTED) {
      this.#contested++
      return true
    }
    const [kind, most] = shareOf(finding)
    const key = `${bytesToHex(finding.provider)} ${kind}`
    const count = this.#ofOne.get(key) ?? 0
    if (count >= most) return false
    if (!isBlaming && this.#good >= MOST_GOOD) return false
    this.#ofOne.set(key, count + 1)
    if (!isBlaming) this.#good++
    return true
  }

  /** Whether one that was told before is told to newcomers, and counts. */
  isToldAgain(nowMs: number): boolean {
    this.#turn(nowMs)
    if (this.#again >= MOST_AGAIN) return false
    this.#again++
    return true
  }

  #turn(nowMs: number): void {
    const hour = Math.floor(nowMs / HOUR_MS)
    if (hour === this.#hour) return
    this.#hour = hour
    this.#good = 0
    this.#contested = 0
    this.#again = 0
    this.#ofOne.clear()
  }
}

/** Which of a provider's shares it takes from, and how much that is. */
const shareOf = (finding: Pick<Finding, 'verdict'>): readonly [kind: string, most: number] => {
  if (isBlame(finding)) return ['blame', MOST_BLAMES_OF_ONE]
  return finding.verdict === 'undecided' ? ['unanswered', MOST_UNANSWERED_OF_ONE] : ['good', MOST_GOOD_OF_ONE]
}
