/** A transcript as people read it: whole, or an utterance at a time. */
import type { HeardUtterance } from '../inference/local/listening.js'
import type { Word } from '../inference/local/speech-service.js'
import { type Cue, cuesOf, toSrt, toVtt, vttCues } from '../models/speech/subtitles.js'
import { printable, printableLines } from './format.js'

export const FORMATS = ['text', 'words', 'srt', 'vtt'] as const
export type TranscriptFormat = (typeof FORMATS)[number]

/** What a stranger's model wrote, with nothing in it that moves a cursor. */
export function transcriptText(
  { text, words }: { readonly text: string; readonly words: readonly Word[] },
  format: TranscriptFormat,
): string {
  if (format === 'srt') return toSrt(shownCues(words)).trimEnd()
  if (format === 'vtt') return toVtt(shownCues(words)).trimEnd()
  return format === 'text' ? printableLines(text) : wordLines(words)
}

const shownCues = (words: readonly Word[]): readonly Cue[] =>
  cuesOf(words.map((word) => ({ ...word, text: shownWord(word) })))

/** On one line: an upstream's words may be whole sentences. */
const shownWord = ({ text }: Word): string => printable(text.replace(/\s+/g, ' '))

/** Begin, end, confidence, word. */
const wordLines = (words: readonly Word[]): string =>
  words
    .map((word) =>
      [
        ...[word.startSeconds, word.endSeconds, word.confidence].map((value) => value.toFixed(2)),
        shownWord(word),
      ].join('\t'),
    )
    .join('\n')

/** The same of a stream: what is to be printed for each utterance, without the last line's end. */
export class TranscriptStream {
  readonly #format: TranscriptFormat
  #cues = 0

  constructor(format: TranscriptFormat) {
    this.#format = format
  }

  /** Before the first one; undefined where nothing is. */
  get head(): string | undefined {
    return this.#format === 'vtt' ? 'WEBVTT\n' : undefined
  }

  next(utterance: HeardUtterance): string {
    if (this.#format === 'text' || this.#format === 'words') return transcriptText(utterance, this.#format)
    const cues = shownCues(utterance.words)
    const text = this.#format === 'srt' ? toSrt(cues, this.#cues + 1) : vttCues(cues)
    this.#cues += cues.length
    return text
  }
}
