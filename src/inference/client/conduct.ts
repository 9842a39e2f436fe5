/**
 * How providers have done of late: who failed goes behind the others for a while, which grows while it goes on failing
 * and is forgotten when it does a job; and how long one may take before the next is asked. In memory, bounded.
 */
import type { JobInput } from '../job.js'

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

const FIRST_REST_MS = 30_000
const LONGEST_REST_MS = 30 * 60_000
const MOST_PROVIDERS = 1000

/** A model that is read from a slow disk first, and a line of other people's jobs before this one. */
const PATIENCE_MS = 45_000
/** Of work that nobody was measured at: a small board hears about as fast as people speak. */
const GUESSED_MS_A_SECOND = 1000
/** A measured job may take so many times as long: lines are not always as short as they were. */
const SLOWER = 4
const ROUND_TRIPS = 10
/** Two who hang leave the third more than half of what a gateway gives a job. */
const MOST_PATIENCE_MS = 150_000
const CHARACTERS_A_SECOND = 15
const BYTES_A_SAMPLE = 2

/** How much there is to do, in seconds of speech. */
export function workOf(input: JobInput): number {
  return input.kind === 'sound'
    ? input.pcm16.length / BYTES_A_SAMPLE / input.sampleRate
    : input.text.length / CHARACTERS_A_SECOND
}

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

  /** How long it may take until its receipt, or its output, is here. */
  patienceMs(peerId: string, work: number, latencyMs: number | undefined): number {
    const { tookMs, tookWork } = this.#standings.get(peerId) ?? { tookMs: undefined, tookWork: 0 }
    const expectedMs =
      tookMs === undefined
        ? GUESSED_MS_A_SECOND * work
        : SLOWER * tookMs * Math.max(1, work / Math.max(1, tookWork))
    return Math.min(MOST_PATIENCE_MS, this.#patienceMs + expectedMs + ROUND_TRIPS * (latencyMs ?? 0))
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
