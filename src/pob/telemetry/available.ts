/**
 * Available bandwidth beside other people's traffic: trains at stepped rates, of which the largest counts that arrives to 98 %
 * and lets no queue grow by more than 5 ms. Telemetry: the prover counts its own packets, nothing of it is guaranteed.
 *
 * The bisection ends at 1/128 of where it began. A queue that grows by less than 5 ms in half a second lets up to 1 % of the
 * link's rate pass too much.
 */

/** Longer ones tell smaller excesses: 5 ms of queue are 1 % of the link in this time. */
export const STEP_MICROS = 500_000
/** At most so many trains, repeats included. */
export const MAX_STEPS = 20
/** Their slots' numbers are above all that evidence can hold (docs/protocol.md section 11). */
export const FIRST_STEP_SLOT = 128

const LEAST_DELIVERED_SHARE = 0.98
const MOST_GROWTH_MICROS = 5_000
const RESOLUTION = 1 / 128
/** A train that a held-up sender or a burst spoils is no verdict: a rate fails when it fails twice. */
const FAILURES = 2

export interface StepOutcome {
  readonly rateKbps: number
  /** 0..1 */
  readonly deliveredShare: number
  readonly growthMicros: number
}

export interface Step extends StepOutcome {
  readonly passed: boolean
}

export interface AvailableBandwidth {
  /** 0 where no rate passed. */
  readonly rateKbps: number
  /** The highest rate tried passed: there may be more. */
  readonly isLimited: boolean
  readonly steps: readonly Step[]
}

export class RateSearch {
  readonly #highest: number
  #low = 0
  #high: number
  #failures = 0
  #isTopTried = false
  readonly #steps: Step[] = []

  /** @param highestKbps the rate to try first, that of the search's upper end */
  constructor(highestKbps: number) {
    this.#highest = highestKbps
    this.#high = highestKbps
  }

  /** The rate to try next; undefined once the search has ended. */
  next(): number | undefined {
    if (this.#steps.length >= MAX_STEPS || this.#low === this.#highest) return undefined
    if (!this.#isTopTried) return this.#highest
    if (this.#high - this.#low <= RESOLUTION * this.#highest) return undefined
    return Math.round((this.#low + this.#high) / 2)
  }

  record(outcome: StepOutcome): void {
    const { rateKbps, deliveredShare, growthMicros } = outcome
    const passed = deliveredShare >= LEAST_DELIVERED_SHARE && growthMicros <= MOST_GROWTH_MICROS
    this.#steps.push({ ...outcome, passed })
    this.#failures = passed ? 0 : this.#failures + 1
    if (!passed && this.#failures < FAILURES) return
    this.#failures = 0
    this.#isTopTried = true
    if (passed) this.#low = Math.max(this.#low, rateKbps)
    else this.#high = Math.min(this.#high, rateKbps)
  }

  result(): AvailableBandwidth {
    return { rateKbps: this.#low, isLimited: this.#low === this.#highest, steps: this.#steps }
  }
}
