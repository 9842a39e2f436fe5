/**
 * Whether two outputs decide the same: texts, words, the likeliest label, the direction of a vector. Floating-point sums
 * differ between machines and runtimes in their last bits, so scores and the last frame of a word are not compared. Pure.
 */
import { samplesOfPcm16 } from '../../ml/audio/pcm16.js'
import type { JobOutput } from '../job.js'

/** A frame of a recogniser has 20 ms, of ours 40: a word's edge may fall into the next one. */
const WORD_EDGE_SECONDS = 0.081
/** Labels so close together may change places. */
const LABEL_MARGIN = 0.02
const LEAST_COSINE = 0.9999
/**
 * Speech: noise that follows from sums that differ, in shares of full scale, and of how loud the whole is, where that is
 * quiet: silence is no answer to a low voice. The least is thirty steps of 16 bits.
 */
const MOST_SOUND_ERROR = 0.02
const MOST_SHARE_OF_LOUDNESS = 0.2
const LEAST_SOUND_ERROR = 0.001
/** Held to in each of these by itself, so that a syllable that lacks is not lost in a minute that is right. */
const SOUND_WINDOWS_A_SECOND = 20

/** Undefined where they agree, otherwise in what they do not. */
export function disagreement(a: JobOutput, b: JobOutput): string | undefined {
  if (a.kind === 'transcription' && b.kind === 'transcription') return transcriptions(a, b)
  if (a.kind === 'translation' && b.kind === 'translation') return a.text === b.text ? undefined : 'the text'
  if (a.kind === 'labels' && b.kind === 'labels') return labels(a, b)
  if (a.kind === 'vector' && b.kind === 'vector') return vectors(a.values, b.values)
  if (a.kind === 'speech' && b.kind === 'speech') return speeches(a, b)
  return 'the kind of output'
}

type Of<K extends JobOutput['kind']> = Extract<JobOutput, { readonly kind: K }>

function transcriptions(a: Of<'transcription'>, b: Of<'transcription'>): string | undefined {
  if (a.text !== b.text) return 'the text'
  if (a.words.length !== b.words.length) return 'the number of words'
  const isSame = a.words.every((word, i) => {
    const other = b.words[i]
    return (
      other !== undefined &&
      word.text === other.text &&
      Math.abs(word.startSeconds - other.startSeconds) <= WORD_EDGE_SECONDS &&
      Math.abs(word.endSeconds - other.endSeconds) <= WORD_EDGE_SECONDS
    )
  })
  return isSame ? undefined : 'the words or their times'
}

function labels(a: Of<'labels'>, b: Of<'labels'>): string | undefined {
  const [first] = a.labels
  const [other] = b.labels
  if (first === undefined || other === undefined) return first === other ? undefined : 'the labels'
  if (first.label === other.label) return undefined
  const here = a.labels.find(({ label }) => label === other.label)?.probability ?? 0
  const there = b.labels.find(({ label }) => label === first.label)?.probability ?? 0
  const isClose = first.probability - here <= LABEL_MARGIN && other.probability - there <= LABEL_MARGIN
  return isClose ? undefined : 'the likeliest label'
}

function vectors(a: Float32Array, b: Float32Array): string | undefined {
  if (a.length !== b.length) return 'the width of the vector'
  let [dot, lengthA, lengthB] = [0, 0, 0]
  a.forEach((value, i) => {
    const other = b[i] ?? 0
    dot += value * other
    lengthA += value * value
    lengthB += other * other
  })
  const cosine = dot / Math.sqrt(lengthA * lengthB)
  return cosine >= LEAST_COSINE || (lengthA === 0 && lengthB === 0)
    ? undefined
    : 'the direction of the vector'
}

/** @param a what was due */
function speeches(a: Of<'speech'>, b: Of<'speech'>): string | undefined {
  if (a.sampleRate !== b.sampleRate || a.pcm16.length !== b.pcm16.length) return 'the length of the sound'
  const [due, claimed] = [samplesOfPcm16(a.pcm16), samplesOfPcm16(b.pcm16)]
  const shareOfLoudness = MOST_SHARE_OF_LOUDNESS * rootMeanSquare(due)
  const most = Math.max(LEAST_SOUND_ERROR, Math.min(MOST_SOUND_ERROR, shareOfLoudness))
  const error = due.map((sample, i) => sample - (claimed[i] ?? 0))
  const width = Math.ceil(a.sampleRate / SOUND_WINDOWS_A_SECOND)
  for (let from = 0; from < error.length; from += width)
    if (rootMeanSquare(error.subarray(from, from + width)) > most) return 'the sound'
  return undefined
}

function rootMeanSquare(samples: Float32Array): number {
  let sum = 0
  for (const sample of samples) sum += sample * sample
  return Math.sqrt(sum / Math.max(1, samples.length))
}
