/** Seeded randomness for the simulator: one seed names one run, on every machine. */

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  between(low: number, high: number): number
  /** Whole, both ends included. */
  integer(low: number, high: number): number
  chance(probability: number): boolean
  pick<T>(choices: readonly T[]): T
  shuffled<T>(items: readonly T[]): T[]
}

/** sfc32 by Chris Doty-Humphrey (PractRand), seeded from one 32-bit number. */
export function seededRandom(seed: number): Random {
  let [a, b, c, counter] = [seed | 0, 0x9e3779b9 | 0, 0x243f6a88 | 0, 1]
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let i = 0; i < 12; i++) next()
  const between = (low: number, high: number) => low + (high - low) * next()
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1))
  return {
    next,
    between,
    integer,
    chance: (probability) => next() < probability,
    pick: (choices) => {
      const chosen = choices[Math.floor(next() * choices.length)]
      if (chosen === undefined) throw new RangeError('nothing to pick from')
      return chosen
    },
    shuffled: <T>(items: readonly T[]) => {
      const rest = [...items]
      const out: T[] = []
      while (rest.length > 0) out.push(...rest.splice(Math.floor(next() * rest.length), 1))
      return out
    },
  }
}
