/** Bytes that challenges moved, per calendar month: what data caps are measured against. */
import { type Database, read, type Sublevel, sublevel, writeSynced } from './database.js'
import { KeyedLock } from './keyed-lock.js'

/** Three years, for the operator's bills. */
const KEPT_MONTHS = 36

export class UsageCounters {
  readonly #database: Database
  readonly #months: Sublevel
  readonly #lock = new KeyedLock()

  constructor(database: Database) {
    this.#database = database
    this.#months = sublevel(database, 'usage')
  }

  /** Bytes of a month (`2026-03`), both directions; 0 where nothing was recorded. */
  async get(month: string): Promise<number> {
    assertMonth(month)
    const value = await read(this.#months, month)
    return value === undefined ? 0 : Number(new TextDecoder().decode(value))
  }

  /** Adds to a month and returns its new total, on the disk before it resolves. */
  add(month: string, bytes: number): Promise<number> {
    return this.#change(month, 0, bytes)
  }

  /** Counts `bytes` in the place of `former` ones that were counted before. */
  async replace(month: string, former: number, bytes: number): Promise<void> {
    await this.#change(month, former, bytes)
  }

  #change(month: string, less: number, more: number): Promise<number> {
    assertMonth(month)
    for (const bytes of [less, more])
      if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`usage of ${bytes} bytes`)
    return this.#lock.run('all', async () => {
      const total = Math.max(0, (await this.get(month)) - less) + more
      const value = new TextEncoder().encode(String(total))
      const months = await this.#months.keys().all()
      const old = [...new Set([...months, month])].sort().slice(0, -KEPT_MONTHS)
      await writeSynced(this.#database, [
        { type: 'put', sublevel: this.#months, key: month, value },
        ...old.map((key) => ({ type: 'del', sublevel: this.#months, key }) as const),
      ])
      return total
    })
  }

  /** All recorded months, oldest first. */
  async list(): Promise<readonly { readonly month: string; readonly bytes: number }[]> {
    const months = await this.#months.keys().all()
    return Promise.all(months.map(async (month) => ({ month, bytes: await this.get(month) })))
  }
}

function assertMonth(month: string): void {
  if (!/^\d{4}-\d{2}$/.test(month)) throw new RangeError(`"${month}" is no month like 2026-03`)
}
