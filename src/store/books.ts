/**
 * Accounts and their numbered entries (channels and their receipts), on the disk before a write resolves. Writes that
 * come while another is being synced go out together afterwards, so many jobs share one fsync.
 */
import { type BatchOperation, type Database, read, type Sublevel, sublevel, writeSynced } from './database.js'

const MAX_ID_LENGTH = 128
/** Numbers sort as text. */
const INDEX_DIGITS = 16
/** Keys deleted at once. */
const DELETE_BATCH = 1000

export interface BookEntry {
  readonly index: number
  readonly value: Uint8Array
}

export interface BookChange {
  readonly id: string
  /** Called when the write goes out, so that the newest state goes with it. */
  readonly account: () => Uint8Array
  readonly entries?: readonly BookEntry[]
  /** Entries below it are deleted. */
  readonly forgetBelow?: number
  /** What must have been tried before any of this is on the disk. */
  readonly after?: Promise<unknown>
}

/** What a ledger needs of its books. */
export interface BookStore {
  accounts(): Promise<readonly { readonly id: string; readonly account: Uint8Array }[]>
  /** All or nothing, in the order of the calls. */
  write(change: BookChange): Promise<void>
  entries(id: string, from: number, limit: number): Promise<readonly BookEntry[]>
  /** With all its entries. */
  remove(id: string): Promise<void>
}

interface Waiting {
  readonly change: BookChange
  readonly isNew: boolean
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

export class Books implements BookStore {
  readonly #database: Database
  readonly #accounts: Sublevel
  readonly #entries: Sublevel
  readonly #maxCount: number
  readonly #ids: Set<string>
  /** Lowest entry that may exist, by account: so that forgetting does not scan what is gone. */
  readonly #lowest = new Map<string, number>()
  #waiting: Waiting[] = []
  #isWriting = false

  private constructor(
    database: Database,
    name: string,
    maxCount: number,
    parts: readonly [Sublevel, Sublevel],
    ids: readonly string[],
  ) {
    this.#database = database
    ;[this.#accounts, this.#entries] = parts
    this.#maxCount = maxCount
    this.#ids = new Set(ids)
    this.name = name
  }

  readonly name: string

  static async open(database: Database, name: string, maxCount: number): Promise<Books> {
    const parts = [sublevel(database, `${name}-accounts`), sublevel(database, `${name}-entries`)] as const
    return new Books(database, name, maxCount, parts, await parts[0].keys().all())
  }

  get count(): number {
    return this.#ids.size
  }

  async accounts(): Promise<readonly { readonly id: string; readonly account: Uint8Array }[]> {
    const all = await this.#accounts.iterator().all()
    return all.map(([id, value]) => ({ id, account: new Uint8Array(value) }))
  }

  get(id: string): Promise<Uint8Array | undefined> {
    return read(this.#accounts, id)
  }

  /** @throws RangeError for a bad id, or a new account beyond the bound */
  write(change: BookChange): Promise<void> {
    const { id } = change
    if (id === '' || id.length > MAX_ID_LENGTH || id.includes(':'))
      return Promise.reject(new RangeError('an account id has 1..128 characters, none of them a colon'))
    const isNew = !this.#ids.has(id)
    if (isNew) {
      if (this.#ids.size >= this.#maxCount)
        return Promise.reject(new RangeError(`${this.name} would hold more than ${this.#maxCount} accounts`))
      this.#ids.add(id)
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, isNew, resolve, reject })
      if (!this.#isWriting) void this.#writeAll()
    })
  }

  /** From `from` on, in order. */
  async entries(id: string, from: number, limit: number): Promise<readonly BookEntry[]> {
    const range = { gte: entryKey(id, from), lt: `${id};`, limit }
    const found = await this.#entries.iterator(range).all()
    return found.map(([key, value]) => ({
      index: Number(key.slice(id.length + 1)),
      value: new Uint8Array(value),
    }))
  }

  async remove(id: string): Promise<void> {
    await writeSynced(this.#database, [{ type: 'del', sublevel: this.#accounts, key: id }])
    this.#ids.delete(id)
    this.#lowest.delete(id)
    for (;;) {
      const keys = await this.#entries.keys({ gte: `${id}:`, lt: `${id};`, limit: DELETE_BATCH }).all()
      if (keys.length === 0) return
      await this.#database.batch(keys.map((key) => ({ type: 'del', sublevel: this.#entries, key }) as const))
    }
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const group = this.#waiting
      this.#waiting = []
      try {
        const operations = group.flatMap(({ change }) => this.#entryOperations(change))
        // One state an account: the newest, whichever of the group asked first.
        for (const [id, { account }] of new Map(group.map(({ change }) => [change.id, change])))
          operations.push({ type: 'put', sublevel: this.#accounts, key: id, value: account() })
        // Afterwards, since an account's state is the one of its newest entry here.
        await Promise.allSettled(group.map(({ change }) => change.after))
        await writeSynced(this.#database, operations)
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { change, isNew, reject } of group) {
          if (isNew) this.#ids.delete(change.id)
          reject(error)
        }
      }
    }
    this.#isWriting = false
  }

  #entryOperations({ id, entries = [], forgetBelow = 0 }: BookChange): BatchOperation[] {
    const operations: BatchOperation[] = entries.map(({ index, value }) => ({
      type: 'put',
      sublevel: this.#entries,
      key: entryKey(id, index),
      value,
    }))
    const lowest = this.#lowest.get(id) ?? Math.max(0, forgetBelow - DELETE_BATCH)
    for (let index = lowest; index < forgetBelow; index++)
      operations.push({ type: 'del', sublevel: this.#entries, key: entryKey(id, index) })
    if (forgetBelow > lowest) this.#lowest.set(id, forgetBelow)
    return operations
  }
}

const entryKey = (id: string, index: number): string => `${id}:${String(index).padStart(INDEX_DIGITS, '0')}`
