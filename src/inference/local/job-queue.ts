/**
 * A line for work that the machine does one piece after the other: bounded in number and bytes, each piece with a
 * deadline from the moment it joins. Who finds it full learns when to come again.
 */
import { UserError } from '../../errors.js'

export interface JobQueueOptions {
  /** Pieces that run at once. */
  readonly parallel: number
  /** Pieces that wait, at most. */
  readonly mostWaiting: number
  /** Of the inputs of all that wait or run. */
  readonly mostBytes: number
  /** From joining to the end. */
  readonly deadlineMs: number
}

interface Waiting {
  readonly start: () => void
}

/** The last run's share in what is expected of the next. */
const SMOOTHING = 0.3
const FIRST_GUESS_SECONDS = 1
const MOST_RETRY_SECONDS = 300

export class JobQueue {
  readonly #options: JobQueueOptions
  readonly #waiting: Waiting[] = []
  readonly #closing = new AbortController()
  #running = 0
  #bytes = 0
  #isPaused = false
  #expectedSeconds = FIRST_GUESS_SECONDS
  #emptied: (() => void) | undefined

  constructor(options: JobQueueOptions) {
    this.#options = options
  }

  /** Pieces that wait or run. */
  get length(): number {
    return this.#waiting.length + this.#running
  }

  /** Until as many as run now are through, by what the last ones took; at least 1. */
  get retryAfterSeconds(): number {
    const seconds = Math.ceil((this.length * this.#expectedSeconds) / this.#options.parallel)
    return Math.min(MOST_RETRY_SECONDS, Math.max(1, seconds))
  }

  /**
   * @param work gets a signal for its caller's cancelling, its deadline and the queue's end, and must heed it
   * @throws UserError BUSY with `details.retryAfterSeconds`; TIMEOUT; UNAVAILABLE once closed; the signal's reason
   */
  async run<T>(bytes: number, work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    this.#closing.signal.throwIfAborted()
    const { mostWaiting, mostBytes, deadlineMs, parallel } = this.#options
    const mustWait = this.#isPaused || this.#running >= parallel
    if (
      (mustWait && this.#waiting.length >= mostWaiting) ||
      (this.length > 0 && this.#bytes + bytes > mostBytes)
    )
      throw this.#full()
    this.#bytes += bytes
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(tooLate(deadlineMs)), deadlineMs)
    const signals = [deadline.signal, this.#closing.signal, ...(signal === undefined ? [] : [signal])]
    const any = AbortSignal.any(signals)
    try {
      await this.#turn(any)
      return await untilAborted(this.#work(work, any), any)
    } finally {
      clearTimeout(timer)
      this.#bytes -= bytes
    }
  }

  /** The place is free when the work has ended, which may be after its caller was told that it is cancelled. */
  async #work<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const started = performance.now()
    try {
      signal.throwIfAborted()
      const value = await work(signal)
      this.#learn((performance.now() - started) / 1000)
      return value
    } finally {
      this.#running--
      this.#next()
    }
  }

  /** Nothing new begins until {@link resume}. */
  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#next()
  }

  /** Cancels what waits and runs, and resolves when that has ended. */
  async close(): Promise<void> {
    if (!this.#closing.signal.aborted)
      this.#closing.abort(new UserError('the models of this machine are closed', { code: 'UNAVAILABLE' }))
    if (this.#running === 0) return
    await new Promise<void>((resolve) => {
      this.#emptied = resolve
    })
  }

  /** Resolves when a place is free, which is then taken. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(waiting)
        if (at < 0) return
        this.#waiting.splice(at, 1)
        reject(signal.reason)
      }
      const waiting: Waiting = {
        start: () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        },
      }
      this.#waiting.push(waiting)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#next()
    })
  }

  #next(): void {
    while (!this.#isPaused && this.#running < this.#options.parallel) {
      const waiting = this.#waiting.shift()
      if (waiting === undefined) break
      this.#running++
      waiting.start()
    }
    if (this.#running === 0) this.#emptied?.()
  }

  #learn(seconds: number): void {
    this.#expectedSeconds += SMOOTHING * (seconds - this.#expectedSeconds)
  }

  #full(): UserError {
    const { retryAfterSeconds } = this
    return new UserError(`${this.length} jobs are under way: there is no room for another one`, {
      code: 'BUSY',
      remedy: `try again in ${retryAfterSeconds} s`,
      details: { retryAfterSeconds },
    })
  }
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function tooLate(deadlineMs: number): UserError {
  return new UserError(`the job was not done within ${deadlineMs / 1000} s`, {
    code: 'TIMEOUT',
    remedy: 'send a shorter input, or ask when there is less to do',
  })
}
