/**
 * A small map that survives a power cut: every write is synced before it resolves. For state of which a lost entry
 * would cost money: sent transactions, cursors of the chain.
 */
import { type Database, read, type Sublevel, sublevel, writeSynced } from './database.js'

const MAX_KEY_LENGTH = 256

export type DurableChange =
  | { readonly key: string; readonly value: Uint8Array }
  | { readonly key: string; readonly value?: undefined }

export class DurableMap {
  readonly #database: Database
  readonly #entries: Sublevel
  readonly #maxCount: number
  #keys: Set<string>

  private constructor(database: Database, entries: Sublevel, maxCount: number, keys: readonly string[]) {
    this.#database = database
    this.#entries = entries
    this.#maxCount = maxCount
    this.#keys = new Set(keys)
  }

  static async open(database: Database, name: string, maxCount: number): Promise<DurableMap> {
    const entries = sublevel(database, name)
    return new DurableMap(database, entries, maxCount, await entries.keys().all())
  }

  get count(): number {
    return this.#keys.size
  }

  get maxCount(): number {
    return this.#maxCount
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return read(this.#entries, key)
  }

  /** In the keys' order, those that start with `prefix`. */
  async entries(prefix = ''): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]> {
    const found = await this.#entries.iterator({ gte: prefix, lt: `${prefix}\uffff` }).all()
    return found.map(([key, value]) => ({ key, value: new Uint8Array(value) }))
  }

  /**
   * Writes all or nothing; a change without a value deletes.
   * @throws RangeError where the map would hold more than its bound, or a key is empty or too long
   */
  async write(changes: readonly DurableChange[]): Promise<void> {
    const keys = new Set(this.#keys)
    for (const { key, value } of changes) {
      if (key === '' || key.length > MAX_KEY_LENGTH) throw new RangeError('a key has 1..256 characters')
      if (value === undefined) keys.delete(key)
      else keys.add(key)
    }
    if (keys.size > this.#maxCount)
      throw new RangeError(`the map would hold ${keys.size} entries, more than ${this.#maxCount}`)
    await writeSynced(
      this.#database,
      changes.map(({ key, value }) =>
        value === undefined
          ? ({ type: 'del', sublevel: this.#entries, key } as const)
          : ({ type: 'put', sublevel: this.#entries, key, value } as const),
      ),
    )
    for (const { key, value } of changes)
      if (value === undefined) this.#keys.delete(key)
      else this.#keys.add(key)
  }
}
