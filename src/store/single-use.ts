/**
 * Ids that may be used once: request nonces, challenge ids. Each is on the disk before `useOnce` says yes, so neither a
 * crash nor a power cut makes it usable again. Ids are forgotten after they expire; an expired id is never usable, so
 * forgetting opens no way back, nor does a clock that jumps ahead and is set back: what could have been forgotten is refused.
 */
import { UserError } from '../errors.js'
import { type Database, read, type Sublevel, sublevel, writeSynced } from './database.js'
import { KeyedLock } from './keyed-lock.js'

const MAX_ID_LENGTH = 128
/** Our messages live minutes to hours; far expiries would fill the disk. */
export const MAX_LIFETIME_MS = 400 * 24 * 3600 * 1000
/** About 200 MB on disk; callers' rate limits keep far below. */
const MAX_LIVE_IDS = 1_000_000
/** One in so many uses sweeps out what has expired. */
const PRUNE_EVERY = 256
const PRUNE_BATCH = 1024
const EXPIRY_DIGITS = 15
const FORGOTTEN = 'forgotten-ms'

export class SingleUseIds {
  readonly #database: Database
  readonly #ids: Sublevel
  readonly #byExpiry: Sublevel
  readonly #memory: Sublevel
  readonly #now: () => number
  readonly #lock = new KeyedLock()
  #live = 0
  #uses = 0
  /** The latest expiry that was forgotten: ids up to it may have been used. */
  #forgottenMs = 0

  private constructor(database: Database, now: () => number) {
    this.#database = database
    this.#ids = sublevel(database, 'single-use-ids')
    this.#byExpiry = sublevel(database, 'single-use-expiry')
    this.#memory = sublevel(database, 'single-use-memory')
    this.#now = now
  }

  static async open(database: Database, now: () => number): Promise<SingleUseIds> {
    const ids = new SingleUseIds(database, now)
    for await (const _ of ids.#byExpiry.keys()) ids.#live++
    const forgotten = await read(ids.#memory, FORGOTTEN)
    if (forgotten !== undefined) ids.#forgottenMs = Number(new TextDecoder().decode(forgotten))
    await ids.prune()
    return ids
  }

  /** Ids on record, the expired ones not yet swept included. */
  get live(): number {
    return this.#live
  }

  /**
   * True exactly once per id; false where it was used before or `expiresAtMs` (Unix time) has passed.
   * @throws UserError BUSY where {@link MAX_LIVE_IDS} are on record; RangeError for an absurd expiry.
   */
  async useOnce(id: string, expiresAtMs: number): Promise<boolean> {
    if (id === '' || id.length > MAX_ID_LENGTH) throw new RangeError('an id has 1..128 characters')
    const now = this.#now()
    if (!Number.isSafeInteger(expiresAtMs) || expiresAtMs > now + MAX_LIFETIME_MS)
      throw new RangeError(`single-use id: expiry ${expiresAtMs} lies too far ahead`)
    if (expiresAtMs <= now || expiresAtMs <= this.#forgottenMs) return false
    if (++this.#uses % PRUNE_EVERY === 0) await this.prune()
    return this.#lock.run(id, async () => {
      if ((await read(this.#ids, id)) !== undefined) return false
      if (this.#live >= MAX_LIVE_IDS)
        throw new UserError('too many requests are on record', { code: 'BUSY', remedy: 'try again later' })
      this.#live++
      try {
        await writeSynced(this.#database, [
          { type: 'put', sublevel: this.#ids, key: id, value: Uint8Array.of(1) },
          { type: 'put', sublevel: this.#byExpiry, key: expiryKey(expiresAtMs, id), value: Uint8Array.of(1) },
        ])
      } catch (cause) {
        this.#live--
        throw cause
      }
      return true
    })
  }

  /** Forgets expired ids, at most {@link PRUNE_BATCH} a call. */
  prune(): Promise<void> {
    // The empty string is no id, so this lock is the sweep's own.
    return this.#lock.run('', async () => {
      const keys = await this.#byExpiry.keys({ lt: expiryKey(this.#now(), ''), limit: PRUNE_BATCH }).all()
      const last = keys.at(-1)
      if (last === undefined) return
      const forgottenMs = Math.max(this.#forgottenMs, Number(last.slice(0, EXPIRY_DIGITS)))
      const value = new TextEncoder().encode(String(forgottenMs))
      await writeSynced(this.#database, [
        { type: 'put', sublevel: this.#memory, key: FORGOTTEN, value },
        ...keys.flatMap((key) => [
          { type: 'del', sublevel: this.#ids, key: key.slice(EXPIRY_DIGITS + 1) } as const,
          { type: 'del', sublevel: this.#byExpiry, key } as const,
        ]),
      ])
      this.#forgottenMs = forgottenMs
      this.#live -= keys.length
    })
  }
}

const expiryKey = (expiresAtMs: number, id: string): string =>
  `${String(Math.max(0, expiresAtMs)).padStart(EXPIRY_DIGITS, '0')}:${id}`
