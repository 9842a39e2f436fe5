/**
 * What is made on demand and kept while it is in use. Graphs of static shapes are the fastest, but each set of shapes is
 * a graph of its own: the graphs in use are kept, the least recently used one closed when there are many.
 */

export interface Closeable {
  close(): Promise<void>
}

/** Things made on demand by key, at most `most` at a time. */
export class Cache<T extends Closeable> {
  readonly #most: number
  readonly #made = new Map<string, Promise<T>>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#made.size
  }

  /** The thing for a key; what failed to be made is tried again the next time. */
  async get(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.#made.get(key)
    const made = known ?? make()
    this.#made.delete(key)
    this.#made.set(key, made)
    if (known === undefined) made.catch(() => this.#made.delete(key))
    const [oldest] = this.#made
    if (this.#made.size > this.#most && oldest !== undefined) {
      this.#made.delete(oldest[0])
      await (await oldest[1]).close()
    }
    return made
  }

  async close(): Promise<void> {
    const all = [...this.#made.values()]
    this.#made.clear()
    for (const each of all) await (await each).close()
  }
}
