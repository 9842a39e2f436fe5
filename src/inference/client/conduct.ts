/**
 * How providers have done of late: who failed goes behind the others for a while, which grows while it goes on failing
 * and is forgotten when it does a job; and how long one may take before the next is asked. In memory, bounded.
 */
interface Standing {
  /** Failures since the last job that it did; jobs that were under way together count once. */
  failures: number
  failedAtMs: number
  /** Behind the others until then. */
  restsUntilMs: number
  /** The last job that it did: what it took, its line included, and how much work it was. */
  tookMs: number | undefined
  tookWork: number
}

/** What an offer says of itself: a hint, for who was never bought from. */
export interface SpeedHint {
  readonly runMsPerSecond: number | undefined
  /** Jobs under way when it was signed, each taken for one like this. */
  readonly underWay: number | undefined
}

const FIRST_REST_MS = 30_000
const LONGEST_REST_MS = 30 * 60_000
const MOST_PROVIDERS = 1000

/** A model that is read from a slow disk first, and a line of other people's jobs before this one. */
const PATIENCE_MS = 45_000
/** Of work that nobody was measured at: a small board hears about as fast as people speak. */
const GUESSED_MS_A_SECOND = 1000
/** Who says that it is slower than the guess is believed so far: more patience is worth lying for. */
const MOST_SLOWER_BY_WORD = 4
/** Of jobs that an offer says are under way. */
const MOST_BEFORE = 32
/** A measured job may take so many times as long: lines are not always as short as they were. */
const SLOWER = 4
const ROUND_TRIPS = 10
/** Two who hang leave the third more than half of what a gateway gives a job. */
const MOST_PATIENCE_MS = 150_000

const NO_HINT: SpeedHint = { runMsPerSecond: undefined, underWay: undefined }

export class Conduct {
  readonly #now: () => number
  readonly #patienceMs: number
  readonly #standings = new Map<string, Standing>()

  /** @param options `now` in monotonic milliseconds; `patienceMs` is the least that anybody is given */
  constructor({
    now = () => performance.now(),
    patienceMs = PATIENCE_MS,
  }: {
    readonly now?: () => number
    readonly patienceMs?: number
  } = {}) {
    this.#now = now
    this.#patienceMs = patienceMs
  }

  /** 0 where it is to be asked in its turn; more, and the more the oftener it failed, where it goes behind the others. */
  arrears(peerId: string): number {
    const standing = this.#standings.get(peerId)
    return standing !== undefined && standing.restsUntilMs > this.#now() ? standing.failures : 0
  }

  /** It is asked now. Of one whose rest is over one job alone finds out whether it does better. @returns when that was */
  asked(peerId: string): number {
    const standing = this.#standings.get(peerId)
    if (standing !== undefined && standing.failures > 0) this.#rest(standing)
    return this.#now()
  }

  /** @param askedAtMs of {@link asked} */
  elapsedMs(askedAtMs: number): number {
    return this.#now() - askedAtMs
  }

  /** @param askedAtMs of {@link asked} */
  failed(peerId: string, askedAtMs: number): void {
    const standing = this.#of(peerId)
    if (standing.failures > 0 && askedAtMs < standing.failedAtMs) return
    standing.failures++
    standing.failedAtMs = this.#now()
    this.#rest(standing)
  }

  /** @param work as {@link workOf} */
  did(peerId: string, askedAtMs: number, work: number): void {
    const tookMs = this.elapsedMs(askedAtMs)
    Object.assign(this.#of(peerId), { failures: 0, restsUntilMs: 0, tookMs, tookWork: work })
  }

  /** How long a job may take by the last one that it did; by its own word where it did none, and by a guess without. */
  expectedMs(peerId: string, work: number, { runMsPerSecond, underWay = 0 }: SpeedHint): number {
    const measuredMs = this.#measuredMs(peerId, work)
    if (measuredMs !== undefined) return measuredMs
    const before = Math.min(underWay, MOST_BEFORE)
    return (runMsPerSecond ?? GUESSED_MS_A_SECOND) * work * (1 + before)
  }

  /** How long it may take until its receipt, or its output, is here. @param hint of one that was never bought from */
  patienceMs(peerId: string, work: number, latencyMs: number | undefined, hint = NO_HINT): number {
    const measuredMs = this.#measuredMs(peerId, work)
    const guessedMs = GUESSED_MS_A_SECOND * work
    const expectedMs =
      measuredMs === undefined
        ? Math.min(MOST_SLOWER_BY_WORD * guessedMs, Math.max(guessedMs, this.expectedMs(peerId, work, hint)))
        : SLOWER * measuredMs
    return Math.min(MOST_PATIENCE_MS, this.#patienceMs + expectedMs + ROUND_TRIPS * (latencyMs ?? 0))
  }

  #measuredMs(peerId: string, work: number): number | undefined {
    const { tookMs, tookWork } = this.#standings.get(peerId) ?? { tookMs: undefined, tookWork: 0 }
    return tookMs === undefined ? undefined : tookMs * Math.max(1, work / Math.max(1, tookWork))
  }

  #rest(standing: Standing): void {
    const restMs = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** (standing.failures - 1))
    standing.restsUntilMs = this.#now() + restMs
  }

  /** The one that was heard of longest ago makes room. */
  #of(peerId: string): Standing {
    const standing = this.#standings.get(peerId) ?? {
      failures: 0,
      failedAtMs: 0,
      restsUntilMs: 0,
      tookMs: undefined,
      tookWork: 0,
    }
    this.#standings.delete(peerId)
    this.#standings.set(peerId, standing)
    const [oldest] = this.#standings.keys()
    if (this.#standings.size > MOST_PROVIDERS && oldest !== undefined) this.#standings.delete(oldest)
    return standing
  }
}
