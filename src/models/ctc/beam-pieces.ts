/**
 * The prefix beam over a recording of any length. A search over the whole would keep all of its text for every
 * hypothesis, and an alignment of the whole takes frames times tokens; so the recording is cut where nobody speaks
 * between two words, and each piece is searched and aligned by itself. The language model goes on across the cuts.
 */
import { align } from './alignment.js'
import { BeamSearch } from './beam.js'
import type { BeamOptions } from './beam-options.js'
import type { Fused } from './fusion.js'
import type { LogProbabilities } from './log-probabilities.js'
import type { NgramState } from './ngram.js'
import { type TimeBase, type TimedText, timedWords } from './timestamps.js'

/** Twice the longest sentence that is read out in one breath. */
const MOST_SECONDS = 30
/** Cuts are looked for in the later part of the longest piece. */
const EARLIEST_CUT = 0.5

export class BeamPieces {
  readonly #fused: Fused
  readonly #base: TimeBase
  readonly #mostFrames: number
  readonly #tokens: number[] = []
  readonly #words: TimedText[] = []
  #context: NgramState | undefined
  /** Frames that are through. */
  #done = 0

  constructor(fused: Fused, base: TimeBase) {
    this.#fused = fused
    this.#base = base
    this.#mostFrames = Math.max(2, Math.round((MOST_SECONDS * base.sampleRate) / base.samplesPerFrame))
  }

  /** What was found: labels with delimiters between words. */
  get tokens(): readonly number[] {
    return this.#tokens
  }

  get words(): readonly TimedText[] {
    return this.#words
  }

  /** @param whole a recording's outputs, of which the first `frames` stand. */
  upTo(whole: LogProbabilities, frames: number): void {
    while (frames - this.#done > this.#mostFrames)
      this.#search(whole, this.#done + this.#cut(rowsOf(whole, this.#done, this.#done + this.#mostFrames)))
  }

  /** The rest of it. */
  finish(whole: LogProbabilities): void {
    this.upTo(whole, whole.frames)
    this.#search(whole, whole.frames, true)
  }

  #search(whole: LogProbabilities, end: number, isLast = false): void {
    const { alphabet, isSentence } = this.#fused
    const rows = rowsOf(whole, this.#done, end)
    const search = new BeamSearch(alphabet, this.#beam(isLast && isSentence), rows.classes)
    for (let at = 0; at < rows.data.length; at += rows.classes)
      search.frame(rows.data.subarray(at, at + rows.classes))
    const [best] = search.results()
    if (best !== undefined) {
      this.#context = best.context
      this.#take(rows, best.tokens)
    }
    this.#done = end
  }

  #beam(scoreEnd: boolean): BeamOptions {
    const { beam, isSentence } = this.#fused
    const context = this.#context ?? (isSentence ? undefined : beam.languageModel?.empty)
    return { ...beam, scoreEnd, ...(context === undefined ? {} : { context }) }
  }

  #take(rows: LogProbabilities, tokens: readonly number[]): void {
    if (tokens.length === 0) return
    const { blank, delimiter, textOf } = this.#fused.alphabet
    const { sampleRate, samplesPerFrame, offsetSamples = 0 } = this.#base
    const base = {
      sampleRate,
      samplesPerFrame,
      offsetSamples: offsetSamples + this.#done * samplesPerFrame,
    }
    this.#words.push(...timedWords(align(rows, tokens, blank), textOf, base, delimiter))
    if (this.#tokens.length > 0 && delimiter !== undefined) this.#tokens.push(delimiter)
    this.#tokens.push(...tokens)
  }

  /** The middle of the longest stretch between words; of the longest without a letter, where no word ends. */
  #cut({ data, frames, classes }: LogProbabilities): number {
    const { blank, delimiter } = this.#fused.alphabet
    let best = { at: frames, score: 0 }
    let length = 0
    let isBetweenWords = false
    for (let frame = Math.floor(frames * EARLIEST_CUT); frame < frames; frame++) {
      const token = likeliest(data, frame * classes, classes)
      if (token !== blank && token !== delimiter) {
        length = 0
        isBetweenWords = false
        continue
      }
      length++
      isBetweenWords ||= token === delimiter
      const score = length + (isBetweenWords ? frames : 0)
      if (score > best.score) best = { at: frame + 1 - Math.floor(length / 2), score }
    }
    return best.at
  }
}

const rowsOf = ({ data, classes }: LogProbabilities, from: number, to: number): LogProbabilities => ({
  data: data.subarray(from * classes, to * classes),
  frames: to - from,
  classes,
})

function likeliest(data: Float32Array, start: number, classes: number): number {
  let best = 0
  for (let i = 1; i < classes; i++) if ((data[start + i] ?? 0) > (data[start + best] ?? 0)) best = i
  return best
}
