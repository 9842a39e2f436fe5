/** What a daemon opens, and tries again until it opens, while it runs: a disk that was full, a ledger that was in use. */
import { setTimeout as sleep } from 'node:timers/promises'
import { chainReason } from '../../chain/index.js'
import { UserError } from '../../errors.js'
import type { Logger } from '../../telemetry/logger.js'

export interface KeptTryingOptions {
  /** For the log: `paid jobs are not taken`. */
  readonly failure: string
  readonly log: Logger
  /** Doubled with each failure; 1 s unless given. */
  readonly firstPauseMs?: number
}

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

export class KeptTrying<T> {
  readonly #options: KeptTryingOptions
  readonly #stopping = new AbortController()
  #problem: string | undefined
  #running: Promise<T | undefined> | undefined

  constructor(options: KeptTryingOptions) {
    this.#options = options
  }

  /** Why it did not open so far; undefined before the first failure, and once it is open. */
  get problem(): string | undefined {
    return this.#problem
  }

  /**
   * @param close of what opens after {@link stop}
   * @returns undefined where it was stopped before
   * @throws UserError BAD_CONFIG, of which no patience makes an end
   */
  open(open: () => Promise<T>, close: (opened: T) => Promise<void>): Promise<T | undefined> {
    this.#running ??= this.#open(open, close)
    return this.#running
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running?.catch(() => {})
  }

  async #open(open: () => Promise<T>, close: (opened: T) => Promise<void>): Promise<T | undefined> {
    const { failure, log, firstPauseMs = FIRST_PAUSE_MS } = this.#options
    const { signal } = this.#stopping
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs)) {
      try {
        const opened = await open()
        this.#problem = undefined
        if (!signal.aborted) return opened
        await close(opened)
        return undefined
      } catch (error) {
        const reason = lineOf(error)
        const isHopeless = error instanceof UserError && error.code === 'BAD_CONFIG'
        if (reason !== this.#problem)
          log.error({ reason }, isHopeless ? failure : `${failure}; it is tried again`)
        this.#problem = reason
        if (isHopeless) throw error
      }
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {})
    }
    return undefined
  }
}

const lineOf = (error: unknown): string => (error instanceof UserError ? error.line : chainReason(error))
