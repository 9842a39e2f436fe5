/** Levenshtein's distance, and the two error rates of speech recognition that are made of it. */

/** Fewest insertions, deletions and substitutions that turn one sequence into the other. */
export function editDistance<T>(a: ArrayLike<T>, b: ArrayLike<T>): number {
  const row = Int32Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    let diagonal = row[0] ?? 0
    row[0] = i
    for (let j = 1; j <= b.length; j++) {
      const above = row[j] ?? 0
      const substitution = diagonal + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(above + 1, (row[j - 1] ?? 0) + 1, substitution)
      diagonal = above
    }
  }
  return row[b.length] ?? 0
}

export interface ErrorCount {
  readonly errors: number
  /** Words or characters of the reference. */
  readonly length: number
}

export interface ErrorRates {
  readonly words: ErrorCount
  readonly characters: ErrorCount
}

/** Errors of one hypothesis. Both texts are in one spelling. */
export function compareTexts(reference: string, hypothesis: string): ErrorRates {
  const split = (text: string) => text.split(' ').filter((word) => word !== '')
  const words = split(reference)
  return {
    words: { errors: editDistance(words, split(hypothesis)), length: words.length },
    characters: { errors: editDistance(reference, hypothesis), length: reference.length },
  }
}

/** Total errors over total length, in percent: longer sentences weigh more, as is usual. */
export function percent(counts: readonly ErrorCount[]): number {
  const errors = counts.reduce((total, count) => total + count.errors, 0)
  const length = counts.reduce((total, count) => total + count.length, 0)
  return length === 0 ? 0 : (100 * errors) / length
}
