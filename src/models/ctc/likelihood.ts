/** log p(tokens | sound) over all paths: what a closed list of phrases is compared by. */
import { checkLogProbabilities, type LogProbabilities, logAdd } from './log-probabilities.js'

/** The fewest frames that can spell the tokens: one each, and a blank between equal neighbours. */
export function framesNeeded(tokens: readonly number[]): number {
  return tokens.reduce((sum, token, i) => sum + (i > 0 && tokens[i - 1] === token ? 2 : 1), 0)
}

/** @throws RangeError for a token that is the blank or no class. */
export function checkTokens(tokens: readonly number[], blank: number, classes: number): void {
  for (const token of tokens)
    if (!Number.isInteger(token) || token < 0 || token >= classes || token === blank)
      throw new RangeError(`${token} is no token among ${classes} classes with the blank ${blank}`)
}

/**
 * The forward variable of CTC (Graves et al. 2006, equations 6 to 8) in the log domain.
 * @returns -Infinity where the frames cannot spell the tokens.
 */
export function logLikelihood(input: LogProbabilities, tokens: readonly number[], blank: number): number {
  checkLogProbabilities(input)
  const { data, frames, classes } = input
  checkTokens(tokens, blank, classes)
  if (frames === 0) return tokens.length === 0 ? 0 : Number.NEGATIVE_INFINITY
  const states = 2 * tokens.length + 1
  const labelOf = (state: number): number => (state % 2 === 0 ? blank : (tokens[(state - 1) / 2] ?? blank))
  let alpha = new Float64Array(states).fill(Number.NEGATIVE_INFINITY)
  let next = new Float64Array(states)
  alpha[0] = data[blank] ?? 0
  if (states > 1) alpha[1] = data[labelOf(1)] ?? 0
  for (let frame = 1; frame < frames; frame++) {
    for (let state = 0; state < states; state++) {
      const label = labelOf(state)
      let sum = alpha[state] ?? 0
      if (state > 0) sum = logAdd(sum, alpha[state - 1] ?? 0)
      if (state > 1 && label !== blank && label !== labelOf(state - 2))
        sum = logAdd(sum, alpha[state - 2] ?? 0)
      next[state] = sum + (data[frame * classes + label] ?? 0)
    }
    ;[alpha, next] = [next, alpha]
  }
  const last = alpha[states - 1] ?? 0
  return states === 1 ? last : logAdd(last, alpha[states - 2] ?? 0)
}
