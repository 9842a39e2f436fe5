/**
 * What the chain said last, for answers that must not wait for it: monitoring wants to hear of a chain that hangs, and
 * not to hang with it. Read anew with each answer, one reading at a time.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { chainReason, isUnanswered } from '../../chain/index.js'

export interface KeptFiguresOptions<T> {
  readonly read: () => Promise<T>
  /** An answer waits so long for its reading; {@link PATIENCE_MS} unless given. */
  readonly patienceMs?: number
  /** Unix milliseconds. */
  readonly now?: () => number
}

export interface Figures<T> {
  /** Undefined where the chain never said them. */
  readonly last: T | undefined
  /** Why these are not the present ones. */
  readonly problem: string | undefined
}

/** Prometheus gives up after 10 s, health checks after less. */
const PATIENCE_MS = 2_000

export class KeptFigures<T> {
  readonly #options: KeptFiguresOptions<T>
  readonly #now: () => number
  #last: T | undefined
  #problem: string | undefined
  /** When the first reading began that was not answered. */
  #unansweredSinceMs: number | undefined
  #reading: Promise<void> | undefined

  constructor(options: KeptFiguresOptions<T>) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /** Never throws. */
  async get(): Promise<Figures<T>> {
    this.#reading ??= this.#read(this.#now()).finally(() => {
      this.#reading = undefined
    })
    const { patienceMs = PATIENCE_MS } = this.#options
    const waiting = new AbortController()
    await Promise.race([
      this.#reading,
      sleep(patienceMs, undefined, { signal: waiting.signal }).catch(() => undefined),
    ])
    waiting.abort()
    return { last: this.#last, problem: this.#reading === undefined ? this.#problem : this.#unanswered() }
  }

  async #read(startedMs: number): Promise<void> {
    this.#unansweredSinceMs ??= startedMs
    try {
      this.#last = await this.#options.read()
      this.#problem = undefined
      this.#unansweredSinceMs = undefined
    } catch (error) {
      const isSilent = isUnanswered(error)
      this.#problem = isSilent ? this.#unanswered() : chainReason(error)
      if (!isSilent) this.#unansweredSinceMs = undefined
    }
  }

  #unanswered(): string {
    const since = new Date(this.#unansweredSinceMs ?? this.#now()).toISOString()
    return `no RPC server of the chain answers since ${since}`
  }
}
