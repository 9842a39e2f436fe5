/** A transcript as people read it: whole, or an utterance at a time. */
import type { HeardUtterance } from '../inference/local/listening.js'
import type { Word } from '../inference/local/speech-service.js'
import { cuesOf, toSrt, toVtt, vttCues } from '../models/speech/subtitles.js'

export const FORMATS = ['text', 'words', 'srt', 'vtt'] as const
export type TranscriptFormat = (typeof FORMATS)[number]

export function transcriptText(
  { text, words }: { readonly text: string; readonly words: readonly Word[] },
  format: TranscriptFormat,
): string {
  if (format === 'srt') return toSrt(cuesOf(words)).trimEnd()
  if (format === 'vtt') return toVtt(cuesOf(words)).trimEnd()
  return format === 'text' ? text : wordLines(words)
}

/** Begin, end, confidence, word. */
const wordLines = (words: readonly Word[]): string =>
  words
    .map(({ text, startSeconds, endSeconds, confidence }) =>
      [startSeconds.toFixed(2), endSeconds.toFixed(2), confidence.toFixed(2), text].join('\t'),
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
    const cues = cuesOf(utterance.words)
    const text = this.#format === 'srt' ? toSrt(cues, this.#cues + 1) : vttCues(cues)
    this.#cues += cues.length
    return text
  }
}
