/**
 * A line before one auditor: a few requests at once, those first that a job waits for, at a pace that the auditor answers.
 * What fails is asked again after seconds, and nothing that failed is taken for an answer. Bounded.
 */
import { UserError } from '../../errors.js'
import { RateLimiter } from '../../p2p/rate-limit.js'

export interface Asked {
  readonly peerId: string
  readonly publicKey: Uint8Array
  /** What the next page is asked by; undefined for the first. */
  readonly after: Uint8Array | undefined
  /** That were read. */
  readonly pages: number
  /** It was told before: what is new is asked for. */
  readonly isAgain: boolean
}

export interface AskingLineOptions {
  /** Until the first retry, milliseconds: {@link RETRY_MS} unless given. */
  readonly retryMs?: number
}

export interface AskingLineModules {
  /** Asks for one page. @returns what the next is asked by; undefined after the last */
  readonly ask: (asked: Asked) => Promise<Uint8Array | undefined>
  readonly onFailure: (error: unknown) => void
}

type Entry = { -readonly [Key in keyof Asked]: Asked[Key] } & {
  failures: number
  isUnderWay: boolean
  isWanted: boolean
  /** It is to be asked about from the first page when what is under way is over. */
  isStale: boolean
  /** The lowest is first in its line. */
  rank: number
  /** Who waits for it. */
  readonly waiting: (() => void)[]
}

/** An auditor takes sixteen streams of an exchange from one peer, and breaks off what is more. */
const MOST_UNDER_WAY = 8
/** Below what an auditor answers one peer (network/messages.ts). */
const PACE = { perSecond: 6, burst: 32 }
/**
 * After an auditor said that this is too much, one request at a time and below what auditors of earlier versions answer
 * (two a second), whatever it answers meanwhile: each refusal costs points there, half of which are forgiven in half an hour.
 */
const SLOW_PACE = { perSecond: 1.5, burst: 1 }
const SLOW_MS = 15 * 60_000
/** Then twice as long, and so on. */
const RETRY_MS = 1000
const MOST_REST_MS = 60_000
/** Of one provider; it leaves the line then, and comes back with a later job. */
const MOST_RETRIES = 3
const AGAIN_MS = 60_000
/** What somebody else than the provider signed, or what cannot be read, will not be better soon. */
const AFTER_GARBAGE_MS = 10 * 60_000
/** Of the whole line, without an answer between: nobody waits for an auditor that is away. */
const MOST_FAILURES = 3
const MOST_WAITING = 1000
const MOST_REMEMBERED = 10_000

export class AskingLine {
  readonly #modules: AskingLineModules
  readonly #retryMs: number
  readonly #pace = new RateLimiter(PACE, () => performance.now(), 1)
  readonly #slowPace = new RateLimiter(SLOW_PACE, () => performance.now(), 1)
  #slowUntilMs = 0
  /** That an auditor had too much to do, one after another, since the pace is slow. */
  #refusals = 0
  /** All that wait, or are under way, by peer id. */
  readonly #entries = new Map<string, Entry>()
  #wanted: Entry[] = []
  #later: Entry[] = []
  /** By peer id: when it may be asked about again, monotonic milliseconds; the oldest first. */
  readonly #known = new Map<string, number>()
  #underWay = 0
  #firstRank = 0
  #lastRank = 0
  /** Since the last answer, those that began before the last rest left out. */
  #failures = 0
  #restedMs = 0
  #restUntilMs = 0
  #timer: NodeJS.Timeout | undefined

  constructor({ retryMs = RETRY_MS }: AskingLineOptions, modules: AskingLineModules) {
    this.#retryMs = retryMs
    this.#modules = modules
  }

  /** How many wait for their turn. */
  get length(): number {
    return this.#wanted.length + this.#later.length
  }

  /** In this order before all others. Resolves when all is told, or it is clear that it will not be soon. Never throws. */
  async ask(providers: readonly Pick<Asked, 'peerId' | 'publicKey'>[]): Promise<void> {
    const entries = this.#entriesOf(providers)
    const moved = new Set(entries.filter(({ isUnderWay }) => !isUnderWay))
    this.#firstRank -= entries.length
    for (const [place, each] of entries.entries())
      Object.assign(each, { isWanted: true, rank: this.#firstRank + place })
    this.#wanted = [...moved, ...this.#wanted.filter((each) => !moved.has(each))]
    this.#later = this.#later.filter((each) => !moved.has(each))
    this.#bound()
    // Until it answers: while it is tried again, which may take long, nobody waits either.
    const isAway = this.#failures >= MOST_FAILURES
    const waiting = isAway
      ? []
      : entries
          .filter(({ peerId }) => this.#entries.has(peerId))
          .map((each) => new Promise<void>((resolve) => each.waiting.push(resolve)))
    this.#next()
    await Promise.all(waiting)
  }

  /** Behind all others, and nobody waits. */
  askLater(providers: readonly Pick<Asked, 'peerId' | 'publicKey'>[]): void {
    const before = new Set(this.#entries.values())
    for (const each of this.#entriesOf(providers)) if (!before.has(each)) this.#later.push(each)
    this.#bound()
    this.#next()
  }

  /** Once more from the first page, behind all others, though it was told. Not of one that failed: that has its own time. */
  askAgain(provider: Pick<Asked, 'peerId' | 'publicKey'>): void {
    const { peerId } = provider
    const waiting = this.#entries.get(peerId)
    if (waiting !== undefined) {
      if (waiting.isUnderWay || waiting.pages > 0) waiting.isStale = true
      return
    }
    const isTold = this.#known.get(peerId) === Number.POSITIVE_INFINITY
    if (isTold) this.#known.delete(peerId)
    for (const entry of this.#entriesOf([provider])) {
      entry.isAgain = isTold
      this.#later.push(entry)
    }
    this.#bound()
    this.#next()
  }

  /** Of those that are not known: as they wait, or new and in no line yet. */
  #entriesOf(providers: readonly Pick<Asked, 'peerId' | 'publicKey'>[]): readonly Entry[] {
    const now = performance.now()
    const found = new Set<Entry>()
    for (const { peerId, publicKey } of providers) {
      if ((this.#known.get(peerId) ?? 0) > now) continue
      const fresh = {
        failures: 0,
        isUnderWay: false,
        isWanted: false,
        isStale: false,
        rank: ++this.#lastRank,
        waiting: [],
      }
      const entry = this.#entries.get(peerId) ?? {
        peerId,
        publicKey,
        after: undefined,
        pages: 0,
        isAgain: false,
        ...fresh,
      }
      this.#entries.set(peerId, entry)
      found.add(entry)
    }
    return [...found]
  }

  /** The last in line are let go: a later job brings them again. */
  #bound(): void {
    while (this.length > MOST_WAITING) {
      const last = this.#later.pop() ?? this.#wanted.pop()
      if (last !== undefined) this.#letGo(last)
    }
  }

  #letGo(entry: Entry): void {
    this.#entries.delete(entry.peerId)
    release(entry)
  }

  #next(): void {
    for (;;) {
      const now = performance.now()
      const isSlow = now < this.#slowUntilMs
      if (!isSlow) this.#refusals = 0
      if (this.#underWay >= (this.#failures > 0 || isSlow ? 1 : MOST_UNDER_WAY) || this.length === 0) return
      const restMs = this.#restUntilMs - now
      const waitMs = restMs > 0 ? restMs : (isSlow ? this.#slowPace : this.#pace).take('').retryAfterMs
      if (waitMs > 0) {
        this.#timer ??= setTimeout(() => {
          this.#timer = undefined
          this.#next()
        }, waitMs).unref()
        return
      }
      const entry = this.#wanted.shift() ?? this.#later.shift()
      if (entry !== undefined) void this.#run(entry)
    }
  }

  async #run(entry: Entry): Promise<void> {
    const begunMs = performance.now()
    entry.isUnderWay = true
    this.#underWay++
    try {
      const after = await this.#modules.ask(entry)
      this.#failures = 0
      this.#restUntilMs = 0
      entry.failures = 0
      entry.isUnderWay = false
      if (entry.isStale) {
        Object.assign(entry, {
          isStale: false,
          isAgain: false,
          after: undefined,
          pages: 0,
          rank: ++this.#lastRank,
        })
        this.#putBack(entry)
      } else if (after === undefined) this.#remember(entry, Number.POSITIVE_INFINITY)
      else {
        entry.after = after
        entry.pages++
        // The first pages of all come before the next of any.
        entry.rank = ++this.#lastRank
        this.#putBack(entry)
      }
    } catch (error) {
      entry.isUnderWay = false
      this.#modules.onFailure(error)
      this.#failed(entry, error, begunMs)
    } finally {
      this.#underWay--
      this.#next()
    }
  }

  #failed(entry: Entry, error: unknown, begunMs: number): void {
    const now = performance.now()
    const code = error instanceof UserError ? error.code : undefined
    if (code === 'VERIFICATION_FAILED' || code === 'BAD_MESSAGE') {
      this.#remember(entry, now + AFTER_GARBAGE_MS)
      return
    }
    // An auditor that has too much to do says nothing of one provider.
    if (code !== 'RATE_LIMITED' && code !== 'BUSY') entry.failures++
    if (code === 'RATE_LIMITED') this.#slowUntilMs = now + SLOW_MS
    // One stays, so that an auditor that was away is found to be there before the next job comes.
    const isLast = this.#failures >= MOST_FAILURES && this.length === 0
    if (entry.failures > MOST_RETRIES && !isLast) this.#remember(entry, now + AGAIN_MS)
    else this.#putBack(entry)
    if (begunMs < this.#restedMs) return
    this.#failures++
    if (code === 'RATE_LIMITED') this.#refusals++
    const doublings = Math.max(this.#failures, this.#refusals) - 1
    this.#restedMs = now
    this.#restUntilMs = now + Math.min(this.#retryMs * 2 ** doublings, MOST_REST_MS)
    if (this.#failures >= MOST_FAILURES) for (const each of this.#entries.values()) release(each)
  }

  #putBack(entry: Entry): void {
    const line = entry.isWanted ? this.#wanted : this.#later
    line.push(entry)
    line.sort((a, b) => a.rank - b.rank)
    this.#bound()
  }

  #remember(entry: Entry, againMs: number): void {
    this.#known.delete(entry.peerId)
    this.#known.set(entry.peerId, againMs)
    const [oldest] = this.#known.keys()
    if (this.#known.size > MOST_REMEMBERED && oldest !== undefined) this.#known.delete(oldest)
    this.#letGo(entry)
  }
}

/** Nobody waits for it any more. */
function release({ waiting }: Entry): void {
  for (const resolve of waiting.splice(0)) resolve()
}
