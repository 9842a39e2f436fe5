/**
 * Randomness that a run can repeat: a small generator with its state in the open (xoshiro128**, Blackman and Vigna
 * 2021), and seeds derived by name, so that what one part draws never shifts another's.
 */

export type RandomState = readonly [number, number, number, number]

/** splitmix32, to spread a seed over a state. */
function* spread(seed: number): Generator<number, never> {
  let state = seed >>> 0
  for (;;) {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    yield (z ^ (z >>> 15)) >>> 0
  }
}

const rotate = (x: number, by: number): number => ((x << by) | (x >>> (32 - by))) >>> 0

export class Random {
  #a: number
  #b: number
  #c: number
  #d: number

  /** @param seed an integer, or a state to go on from. */
  constructor(seed: number | RandomState) {
    if (typeof seed === 'number') {
      const source = spread(seed)
      this.#a = source.next().value
      this.#b = source.next().value
      this.#c = source.next().value
      this.#d = source.next().value
    } else [this.#a, this.#b, this.#c, this.#d] = seed
  }

  /** A generator of its own for a purpose: the same for the same seed and name (FNV-1a of both). */
  static named(seed: number, name: string): Random {
    let hash = 0x811c9dc5
    for (const character of `${seed}/${name}`)
      hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0
    return new Random(hash)
  }

  get state(): RandomState {
    return [this.#a, this.#b, this.#c, this.#d]
  }

  /** 32 bits. */
  bits(): number {
    const result = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9) >>> 0
    const t = (this.#b << 9) >>> 0
    this.#c = (this.#c ^ this.#a) >>> 0
    this.#d = (this.#d ^ this.#b) >>> 0
    this.#b = (this.#b ^ this.#c) >>> 0
    this.#a = (this.#a ^ this.#d) >>> 0
    this.#c = (this.#c ^ t) >>> 0
    this.#d = rotate(this.#d, 11)
    return result
  }

  /** In [0, 1), 32 bits fine. */
  uniform(): number {
    return this.bits() / 2 ** 32
  }

  /** An integer in [0, n), without bias. */
  below(n: number): number {
    // Without this a draw from nothing would look for ever.
    if (!(n >= 1)) throw new RangeError(`nothing is below ${n} to draw from`)
    const limit = 2 ** 32 - (2 ** 32 % n)
    for (;;) {
      const draw = this.bits()
      if (draw < limit) return draw % n
    }
  }

  /** From the normal distribution (Box and Muller 1958; the second of each pair is dropped: the state says it all). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    return radius * Math.cos(2 * Math.PI * this.uniform())
  }

  /** From the standard Gumbel distribution. */
  gumbel(): number {
    return -Math.log(-Math.log((this.bits() + 0.5) / 2 ** 32))
  }

  /** An array's elements in random order, in place (Fisher and Yates). */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const [a, b] = [items[i] as T, items[j] as T]
      items[i] = b
      items[j] = a
    }
    return items
  }
}
