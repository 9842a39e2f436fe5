/** Where the words of a text lie in the sound that it was heard in. */
import { align } from '../ctc/alignment.js'
import type { LogProbabilities } from '../ctc/log-probabilities.js'
import { type TimedText, timedWords } from '../ctc/timestamps.js'
import { SUBSAMPLING } from './definition.js'
import { FRAME_RATE, SAMPLE_RATE } from './features.js'
import { ALPHABET, BLANK, encodeText } from './text.js'

const [SPACE] = encodeText(' ')
const SAMPLES_PER_FRAME = (SUBSAMPLING * SAMPLE_RATE) / FRAME_RATE

/** A stretch of a recording and what was heard in it. */
export interface Piece extends LogProbabilities {
  /** Of its first frame in the recording. */
  readonly startSeconds: number
}

/** @param text normalised; one that the piece has frames enough to spell. */
export function timedWordsOf(piece: Piece, text: string): readonly TimedText[] {
  if (text === '') return []
  return timedWords(
    align(piece, encodeText(text), BLANK),
    (token) => ALPHABET.charAt(token - 1),
    {
      samplesPerFrame: SAMPLES_PER_FRAME,
      sampleRate: SAMPLE_RATE,
      offsetSamples: Math.round(piece.startSeconds * SAMPLE_RATE),
    },
    SPACE,
  )
}
