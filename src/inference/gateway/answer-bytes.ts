/** How much memory an answer takes: many times what was asked, where whoever answers likes it so. */
import type { JobOutput } from '../job.js'

/** Beside what an answer holds. */
const BYTES_AN_ANSWER = 1024
/** A word or a label beside its text: an object, and its numbers. */
const BYTES_A_PART = 128
const BYTES_A_CHARACTER = 2

/** Once, as a job gave it. */
export function bytesOf(output: JobOutput): number {
  switch (output.kind) {
    case 'vector':
      return output.values.byteLength + BYTES_AN_ANSWER
    case 'speech':
      return output.pcm16.byteLength + BYTES_AN_ANSWER
    case 'translation':
      return textBytes(output.text) + BYTES_AN_ANSWER
    case 'transcription':
      return textBytes(output.text) + partBytes(output.words.map(({ text }) => text)) + BYTES_AN_ANSWER
    case 'labels':
      return partBytes(output.labels.map(({ label }) => label)) + BYTES_AN_ANSWER
  }
}

const textBytes = (text: string): number => BYTES_A_CHARACTER * text.length

const partBytes = (texts: readonly string[]): number =>
  texts.reduce((sum, text) => sum + textBytes(text) + BYTES_A_PART, 0)
