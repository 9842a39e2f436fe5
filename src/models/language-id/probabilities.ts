/** Softmax. @param scale what the scores are multiplied by: the greater, the surer. */
export function probabilitiesOf(scores: readonly number[], scale = 1): readonly number[] {
  const most = Math.max(...scores)
  const likelihoods = scores.map((score) => Math.exp(scale * (score - most)))
  const total = likelihoods.reduce((sum, value) => sum + value, 0)
  return likelihoods.map((value) => value / total)
}
