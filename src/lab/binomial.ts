/** Counts of independent tries against the probability that theory gives them. Pure. */

/** Halvings of [0, 1] until doubles tell no difference. */
const HALVINGS = 60

/** P(X <= `most`) for X successes in `tries`, each with the given probability; each term in logarithms. */
export function binomialAtMost(most: number, tries: number, probability: number): number {
  if (most < 0) return 0
  if (most >= tries || probability <= 0) return 1
  if (probability >= 1) return 0
  const odds = Math.log(probability) - Math.log1p(-probability)
  let term = tries * Math.log1p(-probability)
  let sum = Math.exp(term)
  for (let k = 1; k <= most; k++) {
    term += Math.log((tries - k + 1) / k) + odds
    sum += Math.exp(term)
  }
  return Math.min(1, sum)
}

/** Clopper and Pearson's exact interval for the probability behind `successes` of `tries`. */
export function shareInterval(
  successes: number,
  tries: number,
  certainty = 0.95,
): { readonly low: number; readonly high: number } {
  const tail = (1 - certainty) / 2
  // The least probability under which so many or more, the greatest under which so many or fewer, are no surprise.
  const low = successes === 0 ? 0 : solve((p) => 1 - binomialAtMost(successes - 1, tries, p) >= tail)
  const high = successes === tries ? 1 : solve((p) => binomialAtMost(successes, tries, p) <= tail)
  return { low, high }
}

/** Where a condition that holds for large probabilities begins to hold. */
function solve(holds: (probability: number) => boolean): number {
  let [from, to] = [0, 1]
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (from + to) / 2
    if (holds(middle)) to = middle
    else from = middle
  }
  return (from + to) / 2
}
