/**
 * Who may hold the prover, and who has to make room. A request costs nothing and keys cost nothing, addresses do: each prefix
 * has a level of challenges that it was accepted for and that never ran. Whoever has less of it gets the place of a challenge
 * that has not begun after its grace, and whose level is full is not accepted until some of it has drained. Pure.
 */

/** Challenges of one prefix that come to nothing, one after another: a line that fails some times is not shut out. */
export const MAX_UNUSED = 8
/** One of them is forgotten in so long. */
export const FORGIVE_MS = 300_000
/** From the paths to the first slot: members may be busy with others, and provers measured together wait for each other. */
export const OPENED_GRACE_MS = 60_000
/** Prefixes on record; the one that was changed longest ago goes first. */
const MAX_PREFIXES = 1024

/** The challenge that holds the prover. */
export interface Hold {
  /** The prefix that asked for it. */
  readonly from: string
  readonly sinceMs: number
  /** What an honest coordinator takes from the acceptance to the paths. */
  readonly graceMs: number
  /** When its paths were opened, if they were. */
  readonly openedMs?: number | undefined
  /** Whether a slot ran: then it stays. */
  readonly hasRun: boolean
}

export class Holds {
  readonly #levels = new Map<string, { readonly level: number; readonly atMs: number }>()

  get size(): number {
    return this.#levels.size
  }

  /** Accepted, and for nothing as long as no slot has run. */
  accepted(from: string, nowMs: number): void {
    this.#set(from, this.#level(from, nowMs) + 1, nowMs)
  }

  /** A challenge of that prefix ran after all. */
  ran(from: string, nowMs: number): void {
    this.#set(from, this.#level(from, nowMs) - 1, nowMs)
  }

  /** Until that prefix is accepted again, milliseconds; 0 where it is now. */
  waitMs(from: string, nowMs: number): number {
    return Math.max(0, Math.ceil((this.#level(from, nowMs) + 1 - MAX_UNUSED) * FORGIVE_MS))
  }

  /** Until `from` gets the place of that challenge, milliseconds; 0 where it does now, undefined where it is not due to it. */
  yieldsInMs(hold: Hold, from: string, nowMs: number): number | undefined {
    if (hold.hasRun || hold.from === from) return undefined
    // What is held is not forgiven: else who keeps a challenge open for long enough without beginning it would be as good as anybody.
    if (this.#level(from, nowMs) >= this.#level(hold.from, hold.sinceMs)) return undefined
    const end = hold.openedMs === undefined ? hold.sinceMs + hold.graceMs : hold.openedMs + OPENED_GRACE_MS
    return Math.max(0, end - nowMs)
  }

  #level(from: string, nowMs: number): number {
    const known = this.#levels.get(from)
    if (known === undefined) return 0
    // A clock that was set back forgives nothing, and costs nothing.
    return Math.max(0, known.level - Math.max(0, nowMs - known.atMs) / FORGIVE_MS)
  }

  #set(from: string, level: number, atMs: number): void {
    this.#levels.delete(from)
    if (level > 0) this.#levels.set(from, { level, atMs })
    const [oldest] = this.#levels.keys()
    if (this.#levels.size > MAX_PREFIXES && oldest !== undefined) this.#levels.delete(oldest)
  }
}
