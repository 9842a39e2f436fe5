/** What was chosen on development recordings: see tuning.ts. */
export interface Leaning {
  /** Added to each language's score. */
  readonly offsets: readonly number[]
  /** What the sums are multiplied by: the greater, the surer. */
  readonly scale: number
}

/** Softmax of what the scores and the leaning come to. @param scores and offsets in the same order. */
export function probabilitiesOf(scores: readonly number[], { offsets, scale }: Leaning): readonly number[] {
  const sums = scores.map((score, i) => scale * (score + (offsets[i] ?? 0)))
  const most = Math.max(...sums)
  const likelihoods = sums.map((sum) => Math.exp(sum - most))
  const total = likelihoods.reduce((sum, value) => sum + value, 0)
  return likelihoods.map((value) => value / total)
}
