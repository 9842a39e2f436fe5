/**
 * Which phones follow which in each language, and how likely that makes what was heard. A language's bigrams are learnt
 * from written sentences, so no voice and no channel is in them; the recogniser's own doubt stays in the sum, for every
 * path through its output counts, not the best one alone. Source: Zissman, "Comparison of Four Approaches to Automatic
 * Language Identification of Telephone Speech" (1996), phone recognition in parallel with a language model of each
 * language; the output is divided by how often a phone is heard at all (Bourlard and Morgan's hybrid).
 */

import { SUBSAMPLING } from '../asr-small/definition.js'
import { FRAME_RATE } from '../asr-small/features.js'
import { BLANK, PHONE_CLASSES } from './phones.js'
import { UTTERANCE_SECONDS } from './utterances.js'

/** The blank is none. */
export const PHONE_COUNT = PHONE_CLASSES - 1
/** Shorter sounds are scored as if the rest of it told nothing: little heard is little sure. */
const LEAST_SECONDS = UTTERANCE_SECONDS

/** Probabilities: of a phone anywhere, [PHONE_COUNT], and of the next after each, [PHONE_COUNT, PHONE_COUNT] in C order. */
export interface PhoneBigrams {
  readonly anywhere: Float64Array
  readonly next: Float64Array
}

export interface Phonotactics {
  /** Share of each phone in what is heard of all languages together: [PHONE_COUNT]. */
  readonly heard: Float64Array
  /** In the order of LANGUAGES. */
  readonly languages: readonly PhoneBigrams[]
}

/**
 * Bigrams smoothed by Witten and Bell: what was never seen after a phone has its share by how often it stands anywhere,
 * the more of it, the more kinds have been seen there. @param sentences classes of phones, from 1.
 */
export function countBigrams(sentences: Iterable<readonly number[]>): PhoneBigrams {
  const anywhere = new Float64Array(PHONE_COUNT).fill(1)
  const next = new Float64Array(PHONE_COUNT * PHONE_COUNT)
  for (const phones of sentences)
    phones.forEach((phone, i) => {
      anywhere[phone - 1] = (anywhere[phone - 1] ?? 0) + 1
      const before = phones[i - 1]
      if (before === undefined) return
      const at = (before - 1) * PHONE_COUNT + phone - 1
      next[at] = (next[at] ?? 0) + 1
    })
  scaleToOne(anywhere)
  for (let before = 0; before < PHONE_COUNT; before++) {
    const row = next.subarray(before * PHONE_COUNT, (before + 1) * PHONE_COUNT)
    const count = sumOf(row)
    const kinds = row.filter((value) => value > 0).length
    const all = count + kinds
    row.forEach((value, i) => {
      const share = anywhere[i] ?? 0
      row[i] = all === 0 ? share : (value + kinds * share) / all
    })
  }
  return { anywhere, next }
}

/**
 * The likelihood of a sound's phones in each language: natural logarithm a second, against phones
 * as often as they are heard. @param logProbabilities of the recogniser, [frames, PHONE_CLASSES].
 * @returns undefined where no frame is likelier a phone than none.
 */
export function scorePhones(
  logProbabilities: Float32Array,
  { heard, languages }: Phonotactics,
): readonly number[] | undefined {
  const frames = logProbabilities.length / PHONE_CLASSES
  const evidence = new Float64Array(logProbabilities.length)
  let isHeard = false
  for (let t = 0; t < frames; t++) {
    const from = t * PHONE_CLASSES
    const blank = logProbabilities[from + BLANK] ?? 0
    evidence[from + BLANK] = Math.exp(blank)
    for (let phone = 1; phone < PHONE_CLASSES; phone++) {
      const logProbability = logProbabilities[from + phone] ?? 0
      if (logProbability > blank) isHeard = true
      evidence[from + phone] = Math.exp(logProbability) / (heard[phone - 1] ?? 1)
    }
  }
  if (!isHeard) return undefined
  const seconds = Math.max(LEAST_SECONDS, (frames * SUBSAMPLING) / FRAME_RATE)
  return languages.map((bigrams) => logLikelihood(evidence, bigrams) / seconds)
}

/**
 * Every path through the output counts: the forward algorithm of CTC (Graves et al. 2006), over any phones in place of
 * given ones. What stands for the paths so far is how they end: in a phone, in the blank after it, or in blanks alone.
 */
function logLikelihood(evidence: Float64Array, { anywhere, next }: PhoneBigrams): number {
  const inPhone = new Float64Array(PHONE_COUNT)
  const after = new Float64Array(PHONE_COUNT)
  const arriving = new Float64Array(PHONE_COUNT)
  let silent = 1
  let sum = 0
  for (let from = 0; from < evidence.length; from += PHONE_CLASSES) {
    arriving.fill(0)
    for (let before = 0; before < PHONE_COUNT; before++) {
      const held = inPhone[before] ?? 0
      const ended = held + (after[before] ?? 0)
      const row = before * PHONE_COUNT
      for (let phone = 0; phone < PHONE_COUNT; phone++)
        arriving[phone] = (arriving[phone] ?? 0) + ended * (next[row + phone] ?? 0)
      // The same phone again needs a blank between.
      arriving[before] = (arriving[before] ?? 0) - held * (next[row + before] ?? 0)
    }
    const blank = evidence[from + BLANK] ?? 0
    let total = 0
    for (let phone = 0; phone < PHONE_COUNT; phone++) {
      const held = inPhone[phone] ?? 0
      const begun = silent * (anywhere[phone] ?? 0) + (arriving[phone] ?? 0)
      const now = (evidence[from + 1 + phone] ?? 0) * (held + begun)
      const inBlank = blank * (held + (after[phone] ?? 0))
      inPhone[phone] = now
      after[phone] = inBlank
      total += now + inBlank
    }
    silent *= blank
    total += silent
    for (let phone = 0; phone < PHONE_COUNT; phone++) {
      inPhone[phone] = (inPhone[phone] ?? 0) / total
      after[phone] = (after[phone] ?? 0) / total
    }
    silent /= total
    sum += Math.log(total)
  }
  return sum
}

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0)

/** Divides by the sum, in place. */
export function scaleToOne(values: Float64Array): void {
  const all = sumOf(values)
  values.forEach((value, i) => {
    values[i] = value / all
  })
}
