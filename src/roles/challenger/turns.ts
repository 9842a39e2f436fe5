/**
 * Whose train a challenger sends next. Two trains at once share its uplink and spoil both, and two to one prefix share that
 * line: so there is one turn at a time for each prefix, and `maxConcurrentSlots` in all. Who comes meanwhile waits in a bounded
 * queue, in which the prefix that was served longest ago is next: many requests from one place delay its own, not the others'.
 */
import { Refusal } from '../protocol-error.js'

/** Below the time that a coordinator waits for a commitment (6 s): a refusal reaches it, silence would cost it more. */
const MOST_WAIT_MS = 4_000
const MAX_WAITING = 64
/** Of one prefix. */
const MAX_WAITING_EACH = 4
/** Prefixes whose last turn is remembered. */
const MAX_SERVED = 1024

export interface TurnRequest {
  /** Of the challenge. Its slots follow one another: a new turn takes the place of its last. */
  readonly id: string
  /** Of the prover's path. */
  readonly prefix: string
  /** Challenges with the same group in the same slot are one measurement of several provers, and send together. */
  readonly group: string
  readonly rateKbps: number
  /** What this challenger declared; a group's trains together stay within it. */
  readonly uplinkKbps: number
  /** The turn ends by itself after so long. */
  readonly lastsMs: number
}

interface Turn extends TurnRequest {
  readonly untilMs: number
}

interface Waiting {
  readonly request: TurnRequest
  readonly resolve: () => void
  readonly reject: (error: Refusal) => void
  readonly timer: NodeJS.Timeout
}

export interface TurnModules {
  readonly maxConcurrentSlots: number
  /** Milliseconds. */
  readonly now: () => number
}

export class SendingTurns {
  readonly #modules: TurnModules
  readonly #turns = new Map<string, Turn>()
  #waiting: Waiting[] = []
  /** By prefix, the number of its last turn; the oldest are forgotten. */
  readonly #served = new Map<string, number>()
  #count = 0
  #expiry: NodeJS.Timeout | undefined

  constructor(modules: TurnModules) {
    this.#modules = modules
  }

  /** Those that hold a turn, and those that wait for one. */
  get size(): { readonly turns: number; readonly waiting: number } {
    this.#expire()
    return { turns: this.#turns.size, waiting: this.#waiting.length }
  }

  /** Resolves when it is this train's turn. @throws Refusal busy where that takes too long, or too many wait */
  async take(request: TurnRequest): Promise<void> {
    this.#expire()
    // Whoever comes while others wait that could go as well does not pass them.
    if (this.#waiting.length === 0 && this.#hasRoom(request)) return this.#give(request)
    const same = this.#waiting.filter(({ request: { prefix } }) => prefix === request.prefix).length
    if (this.#waiting.length >= MAX_WAITING || same >= MAX_WAITING_EACH) throw busy()
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => this.#leave(waiting, busy()), MOST_WAIT_MS)
      const waiting: Waiting = { request, resolve, reject, timer }
      this.#waiting.push(waiting)
      this.#next()
    })
  }

  /** The train is over, or the challenge is. */
  end(id: string): void {
    this.#turns.delete(id)
    for (const waiting of this.#waiting.filter(({ request }) => request.id === id))
      this.#leave(waiting, busy())
    this.#next()
  }

  /** Nobody waits any more. */
  close(): void {
    clearTimeout(this.#expiry)
    for (const waiting of [...this.#waiting]) this.#leave(waiting, busy())
    this.#turns.clear()
  }

  #hasRoom(request: TurnRequest): boolean {
    const others = [...this.#turns.values()].filter(({ id }) => id !== request.id)
    const companions = others.filter(({ group }) => group === request.group)
    const rateKbps = companions.reduce((sum, each) => sum + each.rateKbps, request.rateKbps)
    if (companions.length > 0 && rateKbps > request.uplinkKbps) return false
    const strangers = others.filter(({ group }) => group !== request.group)
    if (strangers.some(({ prefix }) => prefix === request.prefix)) return false
    return new Set(strangers.map(({ group }) => group)).size < this.#modules.maxConcurrentSlots
  }

  #give(request: TurnRequest): void {
    this.#turns.set(request.id, { ...request, untilMs: this.#modules.now() + request.lastsMs })
    this.#served.delete(request.prefix)
    this.#served.set(request.prefix, this.#count++)
    const [oldest] = this.#served.keys()
    if (this.#served.size > MAX_SERVED && oldest !== undefined) this.#served.delete(oldest)
  }

  /** Gives turns while there is room: of those that have it, to the prefix that had one longest ago. */
  #next(): void {
    this.#expire()
    for (;;) {
      const ready = this.#waiting.filter(({ request }) => this.#hasRoom(request))
      const [next] = ready.sort((a, b) => this.#lastTurn(a) - this.#lastTurn(b))
      if (next === undefined) break
      clearTimeout(next.timer)
      this.#waiting = this.#waiting.filter((each) => each !== next)
      this.#give(next.request)
      next.resolve()
    }
    clearTimeout(this.#expiry)
    if (this.#waiting.length === 0) return
    const soonest = Math.min(...[...this.#turns.values()].map(({ untilMs }) => untilMs))
    const leftMs = Math.max(0, soonest - this.#modules.now())
    if (leftMs < MOST_WAIT_MS) this.#expiry = setTimeout(() => this.#next(), leftMs)
  }

  #lastTurn({ request }: Waiting): number {
    return this.#served.get(request.prefix) ?? -1
  }

  #leave(waiting: Waiting, error: Refusal): void {
    clearTimeout(waiting.timer)
    this.#waiting = this.#waiting.filter((each) => each !== waiting)
    waiting.reject(error)
  }

  #expire(): void {
    const nowMs = this.#modules.now()
    for (const [id, { untilMs }] of this.#turns) if (untilMs <= nowMs) this.#turns.delete(id)
  }
}

const busy = (): Refusal =>
  new Refusal('busy', 'this challenger sends in another challenge right now; ask again in a second')
