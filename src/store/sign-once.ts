/**
 * Sign-once locks: a node signs one digest per key (a challenge's result, a plan) and no second one, whatever happens.
 * The lock is on the disk before it is granted.
 */
import { type Database, read, type Sublevel, sublevel, writeSynced } from './database.js'
import { KeyedLock } from './keyed-lock.js'

/** `granted`: sign it. `repeat`: this very digest was locked before, signing again is harmless. `conflict`: refuse. */
export type SignOnceOutcome = 'granted' | 'repeat' | 'conflict'

const DIGEST_BYTES = 32
const MAX_KEY_LENGTH = 256
const TIME_BYTES = 8
/** No request of ours is valid for as long, so a lock this old guards nothing. */
export const LOCK_RETENTION_MS = 2 * 366 * 24 * 3600 * 1000

export class SignOnceLocks {
  readonly #database: Database
  readonly #locks: Sublevel
  readonly #now: () => number
  readonly #lock = new KeyedLock()

  private constructor(database: Database, now: () => number) {
    this.#database = database
    this.#locks = sublevel(database, 'sign-once')
    this.#now = now
  }

  static async open(database: Database, now: () => number): Promise<SignOnceLocks> {
    const locks = new SignOnceLocks(database, now)
    await locks.#prune()
    return locks
  }

  /** @throws RangeError for a digest that has not 32 bytes, or a key over 256 characters. */
  signOnce(key: string, digest: Uint8Array): Promise<SignOnceOutcome> {
    if (digest.length !== DIGEST_BYTES) throw new RangeError(`a digest has 32 bytes, not ${digest.length}`)
    if (key === '' || key.length > MAX_KEY_LENGTH) throw new RangeError('a lock key has 1..256 characters')
    return this.#lock.run(key, async () => {
      const locked = await this.lockedDigest(key)
      if (locked !== undefined) return Buffer.compare(locked, digest) === 0 ? 'repeat' : 'conflict'
      const value = new Uint8Array(DIGEST_BYTES + TIME_BYTES)
      value.set(digest)
      new DataView(value.buffer).setBigUint64(DIGEST_BYTES, BigInt(Math.max(0, Math.trunc(this.#now()))))
      await writeSynced(this.#database, [{ type: 'put', sublevel: this.#locks, key, value }])
      return 'granted'
    })
  }

  /** The digest that `key` is locked to, if any. */
  async lockedDigest(key: string): Promise<Uint8Array | undefined> {
    return (await read(this.#locks, key))?.slice(0, DIGEST_BYTES)
  }

  /** Age is counted from the newest lock where the clock is ahead of it: a clock that is years wrong at a start forgets nothing. */
  async #prune(): Promise<void> {
    const timeOf = (value: Uint8Array) =>
      new DataView(value.buffer, value.byteOffset, value.byteLength).getBigUint64(DIGEST_BYTES)
    let newest = 0n
    for await (const value of this.#locks.values()) if (timeOf(value) > newest) newest = timeOf(value)
    const now = BigInt(Math.max(0, Math.trunc(this.#now())))
    const before = (now < newest ? now : newest) - BigInt(LOCK_RETENTION_MS)
    for await (const [key, value] of this.#locks.iterator())
      if (timeOf(value) < before) await this.#locks.del(key)
  }
}
