/**
 * A line for work that the machine does one piece after the other: bounded in number and bytes, each piece with a
 * deadline from the moment it joins. Who finds it full learns when to come again. It is shared by client: they take turns,
 * however many pieces each has in it, and in a full line who has the most gives way to who has fewer. Among a client's own
 * pieces those of the kind that ran last go first, a few at a time: what that kind needs is at hand.
 */
import { UserError } from '../../errors.js'
import { untilAborted } from '../until-aborted.js'

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

/** Where a piece stands in the line. */
export interface Standing {
  /** Whose it is; one for all unless given. */
  readonly client?: string | undefined
  /** What it needs at hand, such as a model and its language; pieces without a kind are of one. */
  readonly kind?: string | undefined
}

interface Waiting {
  readonly client: string
  readonly kind: string
  readonly bytes: number
  /** How many of its client's later pieces went before it. */
  overtaken: number
  readonly start: () => void
  readonly refuse: (reason: UserError) => void
}

interface Held {
  running: number
  waiting: number
  /** When one of its pieces began last, in pieces that began in all. */
  begunAt: number
}

/** The last run's share in what is expected of the next. */
const SMOOTHING = 0.3
const FIRST_GUESS_SECONDS = 1
const MOST_RETRY_SECONDS = 300
/** Then a piece goes, whatever its kind: a change costs a fraction of the time of so many pieces. */
const MOST_OVERTAKEN = 8

export class JobQueue {
  readonly #options: JobQueueOptions
  readonly #waiting: Waiting[] = []
  readonly #closing = new AbortController()
  /** Of clients that have something in the line. */
  readonly #held = new Map<string, Held>()
  #running = 0
  #begun = 0
  #bytes = 0
  #isPaused = false
  #expectedSeconds = FIRST_GUESS_SECONDS
  /** Of the piece that began last. */
  #kind = ''
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
  async run<T>(
    bytes: number,
    work: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
    { client = '', kind = '' }: Standing = {},
  ): Promise<T> {
    signal?.throwIfAborted()
    this.#closing.signal.throwIfAborted()
    const { deadlineMs } = this.#options
    this.#makeRoom(bytes, client)
    this.#bytes += bytes
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(tooLate(deadlineMs)), deadlineMs)
    const signals = [deadline.signal, this.#closing.signal, ...(signal === undefined ? [] : [signal])]
    const any = AbortSignal.any(signals)
    try {
      await this.#turn(any, { client, kind, bytes })
      return await untilAborted(this.#work(work, any, client), any)
    } finally {
      clearTimeout(timer)
      this.#bytes -= bytes
    }
  }

  /** The place is free when the work has ended, which may be after its caller was told that it is cancelled. */
  async #work<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal, client: string): Promise<T> {
    const started = performance.now()
    try {
      signal.throwIfAborted()
      const value = await work(signal)
      this.#learn((performance.now() - started) / 1000)
      return value
    } finally {
      this.#running--
      this.#count(client, { running: -1 })
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
  #turn(signal: AbortSignal, piece: Pick<Waiting, 'client' | 'kind' | 'bytes'>): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = (reason: unknown): void => {
        signal.removeEventListener('abort', onAbort)
        if (this.#take(waiting)) reject(reason)
      }
      const onAbort = (): void => refuse(signal.reason)
      const waiting: Waiting = {
        ...piece,
        overtaken: 0,
        start: () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        },
        refuse,
      }
      this.#waiting.push(waiting)
      this.#count(waiting.client, { waiting: 1 })
      signal.addEventListener('abort', onAbort, { once: true })
      this.#next()
    })
  }

  #next(): void {
    while (!this.#isPaused && this.#running < this.#options.parallel) {
      const first = this.#nextInTurn()
      if (first === undefined) break
      const waiting = this.#ofThisKind(first)
      this.#kind = waiting.kind
      this.#count(waiting.client, { running: 1 }).begunAt = ++this.#begun
      this.#take(waiting)
      this.#running++
      waiting.start()
    }
    if (this.#running === 0) this.#emptied?.()
  }

  /** In place of a client's first piece: its first of the kind that ran last, unless too many have gone before already. */
  #ofThisKind(first: Waiting): Waiting {
    const { client, kind, overtaken } = first
    if (kind === this.#kind || overtaken >= MOST_OVERTAKEN) return first
    const own = this.#waiting.filter((each) => each.client === client)
    const at = own.findIndex((each) => each.kind === this.#kind)
    for (const passed of own.slice(0, Math.max(0, at))) passed.overtaken++
    return own[at] ?? first
  }

  /** The first piece of the client of which fewest run; of several, of the one whose last turn is longest ago. */
  #nextInTurn(): Waiting | undefined {
    const standing = ({ client }: Waiting): Held =>
      this.#held.get(client) ?? { running: 0, waiting: 0, begunAt: 0 }
    return this.#waiting.reduce<Waiting | undefined>((best, each) => {
      if (best === undefined) return each
      const [a, b] = [standing(each), standing(best)]
      const isBefore = a.running === b.running ? a.begunAt < b.begunAt : a.running < b.running
      return isBefore ? each : best
    }, undefined)
  }

  /**
   * Where there is none, the newest pieces of who has the most are refused, as long as that leaves them no fewer than the
   * newcomer then has. @throws UserError BUSY
   */
  #makeRoom(bytes: number, client: string): void {
    const { mostWaiting, mostBytes, parallel } = this.#options
    const mustWait = this.#isPaused || this.#running >= parallel
    const giving = new Set<Waiting>()
    let freed = 0
    const isFull = (): boolean =>
      (mustWait && this.#waiting.length - giving.size >= mostWaiting) ||
      (this.length - giving.size > 0 && this.#bytes - freed + bytes > mostBytes)
    const piecesOf = (who: string): number => {
      const { running = 0, waiting = 0 } = this.#held.get(who) ?? {}
      return running + waiting - [...giving].filter((each) => each.client === who).length
    }
    while (isFull()) {
      const left = this.#waiting.filter((each) => !giving.has(each))
      const most = left.reduce((so, each) => Math.max(so, piecesOf(each.client)), 0)
      const newest = left.findLast((each) => piecesOf(each.client) === most)
      if (newest === undefined || piecesOf(newest.client) <= piecesOf(client) + 1) throw this.#full()
      giving.add(newest)
      freed += newest.bytes
    }
    for (const each of giving) each.refuse(this.#full())
  }

  /** Out of the line, if it is still in it. */
  #take(waiting: Waiting): boolean {
    const at = this.#waiting.indexOf(waiting)
    if (at < 0) return false
    this.#waiting.splice(at, 1)
    this.#count(waiting.client, { waiting: -1 })
    return true
  }

  #count(client: string, { running = 0, waiting = 0 }: Partial<Held>): Held {
    const held = this.#held.get(client) ?? { running: 0, waiting: 0, begunAt: 0 }
    held.running += running
    held.waiting += waiting
    if (held.running + held.waiting > 0) this.#held.set(client, held)
    else this.#held.delete(client)
    return held
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

function tooLate(deadlineMs: number): UserError {
  return new UserError(`the job was not done within ${deadlineMs / 1000} s`, {
    code: 'TIMEOUT',
    remedy: 'send a shorter input, or ask when there is less to do',
  })
}
