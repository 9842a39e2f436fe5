/** Runs work on the same key one after another, and on different keys side by side. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>()

  /** Keys with work under way or waiting. */
  get size(): number {
    return this.#tails.size
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const result = before.then(work)
    const tail = result.then(
      () => {},
      () => {},
    )
    this.#tails.set(key, tail)
    try {
      return await result
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    }
  }
}
