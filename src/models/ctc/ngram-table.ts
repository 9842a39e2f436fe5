/** (context, word) -> n-gram: open addressing over typed arrays, 12 bytes a slot, where a Map takes some 40. */

const EMPTY = -1

export class NgramTable {
  #keys: Float64Array
  #values: Int32Array
  #size = 0

  constructor(capacity = 1024) {
    this.#keys = new Float64Array(capacity).fill(EMPTY)
    this.#values = new Int32Array(capacity)
  }

  get size(): number {
    return this.#size
  }

  /** @param context, word below 2^26 each, so that their pair is an exact number. */
  get(context: number, word: number): number | undefined {
    const key = pair(context, word)
    const slot = this.#slot(key)
    return this.#keys[slot] === key ? this.#values[slot] : undefined
  }

  set(context: number, word: number, value: number): void {
    if (this.#size * 2 >= this.#keys.length) this.#grow()
    const key = pair(context, word)
    const slot = this.#slot(key)
    if (this.#keys[slot] !== key) this.#size++
    this.#keys[slot] = key
    this.#values[slot] = value
  }

  /** The key's slot, or the empty one where it would go. */
  #slot(key: number): number {
    const mask = this.#keys.length - 1
    // The two halves mixed by Knuth's multiplicative constants; capacities are powers of two.
    const low = Math.imul(key % SIDE, 0x9e3779b1)
    const high = Math.imul(Math.floor(key / SIDE), 0x85ebca6b)
    let slot = low ^ high
    slot = (slot ^ (slot >>> 15)) & mask
    while (this.#keys[slot] !== EMPTY && this.#keys[slot] !== key) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const keys = this.#keys
    const values = this.#values
    this.#keys = new Float64Array(keys.length * 2).fill(EMPTY)
    this.#values = new Int32Array(keys.length * 2)
    keys.forEach((key, i) => {
      if (key === EMPTY) return
      const slot = this.#slot(key)
      this.#keys[slot] = key
      this.#values[slot] = values[i] ?? 0
    })
  }
}

/** Contexts and words are numbered below this: 2^26 * 2^26 < 2^53. */
export const SIDE = 2 ** 26

const pair = (context: number, word: number): number => context * SIDE + word
