/** Rules on the scores of the next token, as Hugging Face's generation applies them and in that order. */
import type { GenerationConfig } from './generation-config.js'

const NEVER = Number.NEGATIVE_INFINITY

/**
 * @param scores logits (greedy) or log probabilities (beam) over the vocabulary; changed in place.
 * @param sequence tokens so far, the start token first.
 */
export function applyRules(
  scores: Float32Array,
  sequence: readonly number[],
  config: GenerationConfig,
): void {
  const { repetitionPenalty, noRepeatNgram, minLength, endTokens } = config
  if (repetitionPenalty !== 1)
    for (const id of new Set(sequence)) {
      const score = scores[id]
      if (score !== undefined) scores[id] = score < 0 ? score * repetitionPenalty : score / repetitionPenalty
    }
  for (const id of bannedByNgrams(sequence, noRepeatNgram)) scores[id] = NEVER
  if (sequence.length < minLength) for (const id of endTokens) scores[id] = NEVER
  if (config.forcedFirstToken !== undefined && sequence.length === 1) only(scores, config.forcedFirstToken)
  if (config.forcedLastToken !== undefined && sequence.length === config.maxLength - 1)
    only(scores, config.forcedLastToken)
  for (const id of config.suppressedTokens) if (id < scores.length) scores[id] = NEVER
}

/** Tokens that would complete an n-gram a second time. */
export function bannedByNgrams(sequence: readonly number[], size: number): ReadonlySet<number> {
  const banned = new Set<number>()
  if (size < 1 || sequence.length + 1 < size) return banned
  const tail = sequence.length - (size - 1)
  for (let start = 0; start + size <= sequence.length; start++) {
    let isSame = true
    for (let i = 0; i < size - 1 && isSame; i++) isSame = sequence[start + i] === sequence[tail + i]
    const next = sequence[start + size - 1]
    if (isSame && next !== undefined) banned.add(next)
  }
  return banned
}

function only(scores: Float32Array, id: number): void {
  scores.fill(NEVER)
  if (id < scores.length) scores[id] = 0
}
