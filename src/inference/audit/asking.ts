/**
 * How patient an auditor is with a provider that does not show what it must keep: it asks again at growing intervals, for
 * as long as that must be kept. Who answered, and refused to the end, has withheld it; who could not be reached has not. Pure.
 */
export interface Patience {
  /** What is asked for must be kept so long. */
  readonly keptSeconds: number
  /** Refusals that make a withholding, at least, and from the first to the last of them. */
  readonly leastRefusals: number
  readonly leastSeconds: number
  /** Between one question and the next: doubled with each refusal. */
  readonly firstSeconds: number
  readonly mostSeconds: number
}

/** Providers keep evidence for a day by their clock (the offer says it). */
export const PATIENCE: Patience = {
  keptSeconds: 80_000,
  leastRefusals: 5,
  leastSeconds: 3600,
  firstSeconds: 20,
  mostSeconds: 3600,
}

/** What was refused so far: what a restart must not forget. Unix seconds. */
export interface AskedBefore {
  /** Until when it is asked for. */
  readonly end: number
  readonly refusals: number
  readonly firstRefusal: number
  readonly lastRefusal: number
  readonly next: number
}

export class Asking {
  /** Until when it is asked for at all, Unix seconds. */
  readonly end: number
  readonly #patience: Patience
  #refusals = 0
  #firstRefusal = 0
  #lastRefusal = 0
  #next = 0
  /** In this run, since they matter for minutes, and for {@link isPassedOver}. */
  #silences = 0
  /** Of the last of as many questions in vain as make a withholding; undefined before. */
  #inVainAt: number | undefined
  #isPassedOver = false

  /**
   * @param since Unix seconds from which on it is kept
   * @param before of a former run
   */
  constructor(since: number, patience: Patience, before?: AskedBefore) {
    this.end = before?.end ?? since + patience.keptSeconds
    this.#patience = patience
    if (before === undefined) return
    this.#refusals = before.refusals
    this.#firstRefusal = before.firstRefusal
    this.#lastRefusal = before.lastRefusal
    this.#next = before.next
  }

  /** Undefined where nothing was refused. */
  get before(): AskedBefore | undefined {
    if (this.#refusals === 0) return undefined
    return {
      end: this.end,
      refusals: this.#refusals,
      firstRefusal: this.#firstRefusal,
      lastRefusal: this.#lastRefusal,
      next: this.#next,
    }
  }

  /** @param now Unix seconds */
  isDue(now: number): boolean {
    return now >= this.#next && !this.isOver(now)
  }

  /** It need not be kept any more. */
  isOver(now: number): boolean {
    return now > this.end
  }

  /** The provider was there, and did not give it. */
  refused(now: number, retryAfterSeconds = 0): void {
    const { mostSeconds } = this.#patience
    if (this.#refusals === 0) this.#firstRefusal = now
    this.#lastRefusal = now
    const interval = Math.max(retryAfterSeconds, this.#intervalAfter(this.#refusals))
    this.#refusals++
    this.#next = now + Math.min(interval, mostSeconds)
  }

  /**
   * Nobody was there. It waits as one that was refused, so that it stands before no other for long.
   * @param answered when the provider last gave anything that it owes, Unix seconds; undefined: never
   */
  unanswered(now: number, answered?: number): void {
    if (this.#inVainAt !== undefined && answered !== undefined && answered >= this.#inVainAt)
      this.#isPassedOver = true
    this.#next = now + this.#intervalAfter(this.#silences)
    this.#silences++
    if (this.#refusals + this.#silences >= this.#patience.leastRefusals) this.#inVainAt ??= now
  }

  #intervalAfter(times: number): number {
    const { firstSeconds, mostSeconds } = this.#patience
    return Math.min(firstSeconds * 2 ** Math.min(times, MOST_DOUBLINGS), mostSeconds)
  }

  /**
   * Once it is over: whether the provider was silent about it again and again, answered for something else then, and was
   * silent about it once more. One that was away, and was asked for nothing of it since it came back, has not.
   */
  get isPassedOver(): boolean {
    return this.#isPassedOver
  }

  /** Once it is over: whether the provider kept it back. */
  get isWithheld(): boolean {
    const { leastRefusals, leastSeconds } = this.#patience
    return this.#refusals >= leastRefusals && this.#lastRefusal - this.#firstRefusal >= leastSeconds
  }
}
const MOST_DOUBLINGS = 20

const NO_REFUSAL = new Set(['UNREACHABLE', 'TIMEOUT', 'RATE_LIMITED', 'BUSY'])

/**
 * Whether an exchange failed by what the provider answered. Silence is none, nor is a whole exchange that has too much to
 * do: a stranger can bring an honest provider to both.
 */
export const isRefusal = ({ code }: { readonly code: string }): boolean => !NO_REFUSAL.has(code)
