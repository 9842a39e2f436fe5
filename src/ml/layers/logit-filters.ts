/**
 * What changes next-token scores before one is drawn. Each takes and returns one row; removed entries are -Infinity.
 * Ties and cut-offs as in Hugging Face transformers, so that a published generation config means what it did there.
 */

/** Scores over temperature. @throws RangeError unless positive. */
export function applyTemperature(logits: Float32Array, temperature: number): Float32Array {
  if (!(temperature > 0)) throw new RangeError(`a temperature is positive, not ${temperature}`)
  return logits.map((logit) => logit / temperature)
}

/** Keeps the k greatest; equals of the k-th all stay (Fan et al. 2018). */
export function keepTopK(logits: Float32Array, k: number): Float32Array {
  if (!Number.isInteger(k) || k < 1) throw new RangeError(`top-k keeps at least one, not ${k}`)
  const least = Float32Array.from(logits).sort().at(-Math.min(k, logits.length)) ?? Number.NEGATIVE_INFINITY
  return logits.map((logit) => (logit < least ? Number.NEGATIVE_INFINITY : logit))
}

/**
 * Keeps the smallest set of classes whose probabilities reach `share` (Holtzman et al. 2020): from the least likely
 * on, classes go while the sum of their probabilities is at most 1 - share.
 * @param atLeast so many always stay.
 */
export function keepTopP(logits: Float32Array, share: number, atLeast = 1): Float32Array {
  if (!(share > 0 && share <= 1)) throw new RangeError(`top-p is a share, not ${share}`)
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const weights = Array.from(logits, (logit) => Math.exp(logit - top))
  const total = weights.reduce((a, b) => a + b, 0)
  const order = Array.from(logits.keys()).sort((a, b) => (logits[a] ?? 0) - (logits[b] ?? 0) || a - b)
  const kept = Float32Array.from(logits)
  let cumulative = 0
  for (const place of order.slice(0, Math.max(0, order.length - atLeast))) {
    cumulative += (weights[place] ?? 0) / total
    if (cumulative > 1 - share) break
    kept[place] = Number.NEGATIVE_INFINITY
  }
  return kept
}

/** Makes what was said less likely: positive scores over the penalty, negative ones times it (Keskar et al. 2019). */
export function penaliseRepetition(
  logits: Float32Array,
  history: Iterable<number>,
  penalty: number,
): Float32Array {
  if (!(penalty > 0)) throw new RangeError(`a penalty is positive, not ${penalty}`)
  const result = Float32Array.from(logits)
  for (const id of new Set(history)) {
    const logit = logits[id]
    if (logit !== undefined) result[id] = logit < 0 ? logit * penalty : logit / penalty
  }
  return result
}

/** A class drawn by its probability. @param uniform in [0, 1). */
export function sampleClass(logits: Float32Array, uniform: number): number {
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const weights = Array.from(logits, (logit) => Math.exp(logit - top))
  let left = uniform * weights.reduce((a, b) => a + b, 0)
  let last = 0
  for (const [place, weight] of weights.entries()) {
    if (weight === 0) continue
    last = place
    left -= weight
    if (left < 0) break
  }
  return last
}
