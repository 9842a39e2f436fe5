/** Seeded randomness of the laboratory: the same seed builds the same network. Not for secrets. */

/** A source of numbers in [0, 1). */
export type Random = () => number

/** FNV-1a, 32 bit: spreads short seeds (numbers, words) over the generator's whole state. */
function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/**
 * Mulberry32 (T. Ettinger, public domain): 32 bits of state, good enough for losses and permutations.
 *
 * @param seed any number or text; equal seeds give equal sequences
 * @param purpose keeps the sequences of one seed apart (losses from permutations)
 */
export function seededRandom(seed: number | string, purpose: string): Random {
  let state = hash32(`${purpose}/${seed}`)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A shuffled copy (sorted by random keys). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const drawn = items.map((item) => ({ item, key: random() }))
  drawn.sort((a, b) => a.key - b.key)
  return drawn.map(({ item }) => item)
}
