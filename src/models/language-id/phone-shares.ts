/**
 * What is heard of a sound, without its order: how much of it each phone takes. Every phone that the recogniser holds
 * possible counts, as much as it is, so that a phone that is heard wrongly still counts in part.
 */
import { BLANK, PHONE_CLASSES } from './phones.js'

/** Numbers that a sound is told by. */
export const SHARES = PHONE_CLASSES - 1

/**
 * Square roots of the phones' shares, which makes a vector of length one and lets rare phones speak (the distance
 * between two of them is Hellinger's). @param logProbabilities [frames, PHONE_CLASSES].
 * @returns undefined where no frame is likelier a phone than none.
 */
export function phoneShares(logProbabilities: Float32Array): Float64Array | undefined {
  const shares = new Float64Array(SHARES)
  let isHeard = false
  for (let from = 0; from < logProbabilities.length; from += PHONE_CLASSES) {
    const blank = logProbabilities[from + BLANK] ?? 0
    for (let phone = 1; phone < PHONE_CLASSES; phone++) {
      const logProbability = logProbabilities[from + phone] ?? 0
      if (logProbability > blank) isHeard = true
      shares[phone - 1] = (shares[phone - 1] ?? 0) + Math.exp(logProbability)
    }
  }
  if (!isHeard) return undefined
  const all = shares.reduce((sum, share) => sum + share, 0)
  return shares.map((share) => Math.sqrt(share / all))
}
