/**
 * Available bandwidth beside other people's traffic: trains at stepped rates, of which the largest counts that arrives to 98 %
 * and lets no queue grow by more than 5 ms. Telemetry: the prover counts its own packets, nothing of it is guaranteed.
 *
 * The bisection ends at 1/128 of where it began. A queue that grows by less than 5 ms in half a second lets up to 1 % of the
 * link's rate pass too much: how fast it grew says how much, and that is taken off.
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
/** Growth is taken between the means of the first and of the last tenth of a train. */
const GROWTH_SPAN_MICROS = 0.9 * STEP_MICROS
/**
 * A train that a held-up sender or a burst spoils is no verdict, and a pause of the other traffic is none: a rate fails when it
 * fails twice, and passes at once or, after a failure, when it passes twice.
 */
const VERDICTS = 2

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
  /** The highest rate that passed, less what its queue took in; 0 where none passed. */
  readonly rateKbps: number
  /** The highest rate tried passed: there may be more. */
  readonly isLimited: boolean
  readonly steps: readonly Step[]
}

export class RateSearch {
  readonly #highest: number
  #low = 0
  #high: number
  /** Of the rate that is being tried. */
  #failures = 0
  #passes = 0
  /** At the highest rate that passed. */
  #growthMicros = 0
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
    if (passed) this.#passes++
    else this.#failures++
    const isOpen = passed ? this.#failures > 0 && this.#passes < VERDICTS : this.#failures < VERDICTS
    if (isOpen) return
    this.#failures = 0
    this.#passes = 0
    this.#isTopTried = true
    if (passed) {
      this.#low = Math.max(this.#low, rateKbps)
      this.#growthMicros = growthMicros
    } else this.#high = Math.min(this.#high, rateKbps)
  }

  result(): AvailableBandwidth {
    // A queue that grows for a time t by g takes in g / t of the link's rate too much. The link's rate is about the one searched from.
    const excessKbps = (this.#highest * Math.max(0, this.#growthMicros)) / GROWTH_SPAN_MICROS
    const rateKbps = Math.max(0, Math.round(this.#low - excessKbps))
    return { rateKbps, isLimited: this.#low === this.#highest, steps: this.#steps }
  }
}
