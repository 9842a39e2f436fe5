/**
 * Rate limits by the generic cell rate algorithm (GCRA, ITU-T I.371): one number per key, the theoretical arrival time.
 * Pure: the clock is handed in. The table is bounded; a limit over all keys together guards against many fresh keys.
 */

export interface RateLimit {
  /** Sustained. */
  readonly perSecond: number
  /** At once, after a silence. */
  readonly burst: number
}

export interface RateDecision {
  readonly allowed: boolean
  /** When the same request would pass; 0 where it did. */
  readonly retryAfterMs: number
}

/** Some 100 bytes each. */
const DEFAULT_MAX_KEYS = 10_000

export class RateLimiter {
  readonly #intervalMs: number
  readonly #toleranceMs: number
  readonly #now: () => number
  readonly #maxKeys: number
  /** Theoretical arrival times, the least recently used key first. */
  readonly #arrivals = new Map<string, number>()

  /** @param now monotonic milliseconds */
  constructor(limit: RateLimit, now: () => number, maxKeys: number = DEFAULT_MAX_KEYS) {
    if (!(limit.perSecond > 0) || !(limit.burst >= 1))
      throw new RangeError(`rate limit of ${limit.perSecond}/s with a burst of ${limit.burst}`)
    this.#intervalMs = 1000 / limit.perSecond
    this.#toleranceMs = this.#intervalMs * (limit.burst - 1)
    this.#now = now
    this.#maxKeys = maxKeys
  }

  get size(): number {
    return this.#arrivals.size
  }

  /** Takes `cost` cells for `key`, or none where they do not fit. */
  take(key: string, cost = 1): RateDecision {
    const now = this.#now()
    const due = Math.max(this.#arrivals.get(key) ?? now, now)
    const early = due - now + (cost - 1) * this.#intervalMs
    if (early > this.#toleranceMs)
      return { allowed: false, retryAfterMs: Math.ceil(early - this.#toleranceMs) }
    this.#arrivals.delete(key)
    if (this.#arrivals.size >= this.#maxKeys) this.#makeRoom(now)
    this.#arrivals.set(key, due + cost * this.#intervalMs)
    return { allowed: true, retryAfterMs: 0 }
  }

  /** Drops keys whose allowance is whole again; failing that, the least recently used one. */
  #makeRoom(now: number): void {
    for (const [key, arrival] of this.#arrivals) if (arrival <= now) this.#arrivals.delete(key)
    if (this.#arrivals.size < this.#maxKeys) return
    const [oldest] = this.#arrivals.keys()
    if (oldest !== undefined) this.#arrivals.delete(oldest)
  }
}
