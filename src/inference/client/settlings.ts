/**
 * When a dealing is settled: one settling at a time. A job waits for the one before it as long as it has patience, and for
 * a few pages of receipts: what is left goes on without it, and the job goes to somebody else.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { UserError } from '../../errors.js'
import { untilAborted } from '../until-aborted.js'

export interface SettlingsModules {
  /** Of the provider, for messages to people. */
  readonly name: string
  /**
   * Brings both sides of a channel to one state.
   * @param onPage told of each page of receipts behind which there are more
   * @param signal ends it between two steps, of which none is lost
   */
  readonly settle: (channelId: Uint8Array, onPage: () => void, signal: AbortSignal) => Promise<void>
  /** Told of the failure of a settling that nobody may wait for. */
  readonly onFailure: (error: unknown) => void
}

/** Jobs under way leave two at most, with a credit for each. */
const FEW_PAGES = 4
/** Who is the last one to be asked has no longer: three times the time of an exchange. */
const LONGEST_WAIT_MS = 60_000

interface Settling {
  readonly done: Promise<void>
  /** The same; rejects as soon as there are more than a few pages. */
  readonly soon: Promise<void>
  /** Something was left open since it began. */
  isOutdated: boolean
}

export class Settlings {
  readonly #modules: SettlingsModules
  /** By channel; those that wait for their turn included. */
  readonly #running = new Map<string, Settling>()
  readonly #settled = new Set<string>()
  readonly #closing = new AbortController()
  #last: Promise<unknown> = Promise.resolve()
  /** What no honest provider does: found when no job may have been there to say so. */
  #cheat: UserError | undefined

  constructor(modules: SettlingsModules) {
    this.#modules = modules
  }

  get isIdle(): boolean {
    return this.#running.size === 0
  }

  /** Something is open in a channel: the next job settles it first. */
  reopen(channelId: Uint8Array): void {
    const key = bytesToHex(channelId)
    this.#settled.delete(key)
    const running = this.#running.get(key)
    if (running !== undefined) running.isOutdated = true
  }

  /** The same in every channel. */
  reopenAll(): void {
    this.#settled.clear()
    for (const running of this.#running.values()) running.isOutdated = true
  }

  /** To its end; one that is under way already where there is one. @throws as `settle` */
  settle(channelId: Uint8Array): Promise<void> {
    return this.#begin(channelId).done
  }

  /**
   * What an earlier process left open would stand against a job's limits.
   * @param patienceMs of the job
   * @throws UserError as `settle`; UNAVAILABLE where it takes longer than a job waits; the signal's reason
   */
  async before(channelId: Uint8Array, patienceMs = LONGEST_WAIT_MS, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.#cheat !== undefined) throw this.#cheat
    if (this.#settled.has(bytesToHex(channelId))) return
    const { soon } = this.#begin(channelId)
    const patience = new AbortController()
    const timer = setTimeout(() => patience.abort(this.#late()), Math.min(patienceMs, LONGEST_WAIT_MS))
    try {
      await untilAborted(
        soon,
        signal === undefined ? patience.signal : AbortSignal.any([signal, patience.signal]),
      )
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends what is under way between two steps; resolves when nothing is. */
  async close(): Promise<void> {
    this.#closing.abort(new UserError('the client stops', { code: 'INTERRUPTED' }))
    await this.#last
  }

  #begin(channelId: Uint8Array): Settling {
    const key = bytesToHex(channelId)
    const running = this.#running.get(key)
    if (running !== undefined) return running
    const { settle, onFailure } = this.#modules
    const { signal } = this.#closing
    const soon = Promise.withResolvers<void>()
    let pages = 0
    const onPage = (): void => {
      pages++
      if (pages >= FEW_PAGES) soon.reject(this.#late())
    }
    const done = this.#last
      .then(() => {
        signal.throwIfAborted()
        return settle(channelId, onPage, signal)
      })
      .then(
        () => {
          if (!settling.isOutdated) this.#settled.add(key)
        },
        (error: unknown) => {
          if (isCheat(error)) this.#cheat = error
          throw error
        },
      )
      .finally(() => this.#running.delete(key))
    const settling: Settling = { done, soon: soon.promise, isOutdated: false }
    this.#running.set(key, settling)
    this.#last = done.catch(onFailure)
    done.then(soon.resolve, soon.reject)
    soon.promise.catch(() => {})
    return settling
  }

  #late(): UserError {
    return new UserError(`${this.#modules.name} takes long over what earlier jobs left open`, {
      code: 'UNAVAILABLE',
      remedy: 'ask again: it goes on meanwhile',
    })
  }
}

const isCheat = (error: unknown): error is UserError =>
  error instanceof UserError && error.code === 'VERIFICATION_FAILED' && error.details.isRemote !== true
