/** Where queue and watchers keep their state: the node's store, or memory where a loss does not matter. */
import type { DurableChange } from '../store/index.js'

/** As much of the store's DurableMap as is used here. */
export interface Journal {
  get(key: string): Promise<Uint8Array | undefined>
  entries(prefix?: string): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]>
  /** All or nothing, on the disk before it resolves. */
  write(changes: readonly DurableChange[]): Promise<void>
}

/** For one command that waits for its own transactions, and for tests. */
export class MemoryJournal implements Journal {
  readonly #values = new Map<string, Uint8Array>()

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#values.get(key)
  }

  async entries(prefix = ''): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]> {
    return [...this.#values]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => ({ key, value }))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async write(changes: readonly DurableChange[]): Promise<void> {
    for (const { key, value } of changes)
      if (value === undefined) this.#values.delete(key)
      else this.#values.set(key, value)
  }
}
