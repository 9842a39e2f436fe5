/**
 * Unigram segmentation: the most probable sequence of pieces, by Viterbi (Kudo 2018, arXiv:1804.10959), with the
 * tie-breaking and float32 sums of sentencepiece's `EncodeOptimized`, so that equal texts get equal ids.
 */

import { type NormalizerSpec, readSentencePieceModel, type SentencePieceModel } from './model.js'
import { Normalizer, SPACE_SYMBOL } from './normalizer.js'

export interface EncodedPiece {
  /** As in the text: an unknown piece has its own characters. */
  readonly text: string
  readonly id: number
}

/** Score of an unknown character below the least probable piece. */
const UNKNOWN_PENALTY = 10
const USER_PENALTY = 0.1

interface Best {
  readonly score: number
  readonly start: number
  readonly id: number
}

export class UnigramModel {
  readonly model: SentencePieceModel
  /** Pieces that may stand in a segmentation. */
  readonly #ids: ReadonlyMap<string, number>
  readonly #allIds: ReadonlyMap<string, number>
  readonly #normalizer: Normalizer
  /** In UTF-16 units. */
  readonly #longest: number
  readonly #unknownScore: number
  readonly #highestScore: number

  constructor(model: SentencePieceModel) {
    this.model = model
    const segmentable = model.pieces
      .map(({ text, type }, id) => ({ text, type, id }))
      .filter(({ type }) => type === 'normal' || type === 'user' || type === 'unused')
    this.#ids = new Map(segmentable.map(({ text, id }) => [text, id]))
    this.#allIds = new Map(model.pieces.map(({ text }, id) => [text, id]))
    this.#longest = segmentable.reduce((longest, { text }) => Math.max(longest, text.length), 0)
    const spec: NormalizerSpec = model.normalizer
    const user = segmentable.filter(({ type }) => type === 'user').map(({ text }) => text)
    this.#normalizer = new Normalizer(spec, model.whitespaceAsSuffix, user)
    const scores = model.pieces.filter(({ type }) => type === 'normal').map(({ score }) => score)
    const lowest = scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY)
    this.#highestScore = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY)
    this.#unknownScore = Math.fround(lowest - UNKNOWN_PENALTY)
  }

  static async read(path: string): Promise<UnigramModel> {
    return new UnigramModel(await readSentencePieceModel(path))
  }

  /** Id of a piece by its text, control and byte pieces included. */
  idOf(text: string): number | undefined {
    return this.#allIds.get(text)
  }

  /** Pieces of the normalised text; runs of unknown characters are one piece. */
  encode(text: string): readonly EncodedPiece[] {
    const normalized = this.#normalizer.normalize(text)
    const out: EncodedPiece[] = []
    for (const piece of this.#segment(normalized)) {
      const last = out.at(-1)
      if (piece.id !== this.model.unknownId) out.push(piece)
      else if (this.model.byteFallback) out.push(...this.#bytePieces(piece.text))
      else if (last?.id === this.model.unknownId)
        out[out.length - 1] = { ...last, text: last.text + piece.text }
      else out.push(piece)
    }
    return out
  }

  /** Text of pieces: the visible space becomes a space, the dummy prefix goes (a dummy suffix stays). */
  decode(pieces: readonly string[]): string {
    const text = this.model.byteFallback ? joinBytes(pieces) : pieces.join('')
    const joined = text.replaceAll(SPACE_SYMBOL, ' ')
    const hasPrefix = this.model.normalizer.addDummyPrefix && !this.model.whitespaceAsSuffix
    return hasPrefix ? joined.replace(/^ /, '') : joined
  }

  #segment(text: string): readonly EncodedPiece[] {
    const best = new Array<Best | undefined>(text.length + 1).fill(undefined)
    const offer = (end: number, score: number, start: number, id: number): void => {
      const known = best[end]
      // The reference compares the float64 sum with the float32 it kept; near ties depend on it.
      if (known === undefined || score > known.score) best[end] = { score: Math.fround(score), start, id }
    }
    for (let start = 0; start < text.length; ) {
      const here = start === 0 ? 0 : (best[start]?.score ?? 0)
      const single = start + ((text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1)
      let hasSingle = false
      for (let end = start + 1; end <= Math.min(text.length, start + this.#longest); end++) {
        const piece = text.slice(start, end)
        const id = this.#ids.get(piece)
        const entry = id === undefined ? undefined : this.model.pieces[id]
        if (id === undefined || entry === undefined || entry.type === 'unused') continue
        const score =
          entry.type === 'user'
            ? new TextEncoder().encode(piece).length * this.#highestScore - USER_PENALTY
            : entry.score
        offer(end, score + here, start, id)
        if (end === single) hasSingle = true
      }
      if (!hasSingle) offer(single, Math.fround(this.#unknownScore + here), start, this.model.unknownId)
      start = single
    }
    const pieces: EncodedPiece[] = []
    for (let end = text.length; end > 0; ) {
      const step = best[end]
      if (step === undefined) throw new Error('unreachable: every position has a piece')
      pieces.push({ text: text.slice(step.start, end), id: step.id })
      end = step.start
    }
    return pieces.toReversed()
  }

  #bytePieces(text: string): readonly EncodedPiece[] {
    return Array.from(new TextEncoder().encode(text), (byte) => {
      const name = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
      return { text: name, id: this.idOf(name) ?? this.model.unknownId }
    })
  }
}

/** Joins pieces; runs of byte pieces become the text they encode. */
function joinBytes(pieces: readonly string[]): string {
  return pieces
    .join('')
    .replace(/(?:<0x[0-9A-F]{2}>)+/g, (run) =>
      new TextDecoder('utf-8', { ignoreBOM: true }).decode(
        Uint8Array.from(run.matchAll(/[0-9A-F]{2}(?=>)/g), ([hex]) => Number.parseInt(hex, 16)),
      ),
    )
}
