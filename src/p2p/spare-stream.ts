/**
 * For who asks the same peer again and again: the stream of the next request is opened when the last one is through, and
 * kept for a while. Opening costs two round trips and several turns of both event loops: some milliseconds of each request.
 */
import type { StreamAhead } from './stream-ahead.js'

export interface SpareStreamOptions {
  /** After this pause: what the last answer brings goes first. */
  readonly pauseMs?: number
  /** Let go of after so long; the peer has it open meanwhile. */
  readonly keptMs?: number
}

const PAUSE_MS = 10
const KEPT_MS = 30_000

export class SpareStream {
  readonly #open: () => StreamAhead
  readonly #options: Required<SpareStreamOptions>
  #spare: StreamAhead | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(open: () => StreamAhead, options: SpareStreamOptions = {}) {
    this.#open = open
    this.#options = { pauseMs: PAUSE_MS, keptMs: KEPT_MS, ...options }
  }

  /** The one that waits, or a new one: hand it to the request, and release it in any case. */
  take(): StreamAhead {
    clearTimeout(this.#timer)
    const spare = this.#spare ?? this.#open()
    this.#spare = undefined
    return spare
  }

  /** A request is through: there may be another. */
  renew(): void {
    if (this.#spare !== undefined || this.#isClosed) return
    const { pauseMs, keptMs } = this.#options
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#spare = this.#open()
      this.#timer = setTimeout(() => this.#drop(), keptMs).unref()
    }, pauseMs).unref()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#drop()
  }

  #drop(): void {
    this.#spare?.release()
    this.#spare = undefined
  }
}
