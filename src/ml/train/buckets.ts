/**
 * Shape buckets. Graphs of static shapes are the fastest, but each set of shapes is a graph of its own: lengths are
 * rounded up to a few sizes, and the graphs in use are kept, the least recently used one closed when there are many.
 */

/** Sizes from `least` on, each `growth` times the one before, up to one that holds `most`. */
export function bucketSizes(least: number, most: number, growth = 1.25): readonly number[] {
  if (!(least >= 1 && growth > 1)) throw new RangeError(`buckets from ${least} by ${growth}`)
  const sizes = [Math.ceil(least)]
  for (let last = Math.ceil(least); last < most; ) {
    last = Math.max(last + 1, Math.ceil(last * growth))
    sizes.push(last)
  }
  return sizes
}

/** The least size that holds a length. @throws RangeError for a length beyond all of them. */
export function bucketFor(length: number, sizes: readonly number[]): number {
  const size = sizes.find((each) => each >= length)
  if (size === undefined) throw new RangeError(`${length} exceeds the greatest bucket, ${sizes.at(-1)}`)
  return size
}

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
