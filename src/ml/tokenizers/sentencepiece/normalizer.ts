/** Normalisation before segmentation (sentencepiece src/normalizer.cc): character map, white space, dummy prefix. */

import type { CharsMap } from './chars-map.js'
import type { NormalizerSpec } from './model.js'

/** U+2581, SentencePiece's visible space. */
export const SPACE_SYMBOL = '\u2581'

export class Normalizer {
  readonly #spec: NormalizerSpec
  readonly #whitespaceAsSuffix: boolean
  readonly #map: CharsMap
  readonly #userPieces: readonly string[]

  /** @param userPieces user-defined pieces: they pass unchanged, the longest first */
  constructor(spec: NormalizerSpec, whitespaceAsSuffix: boolean, userPieces: readonly string[]) {
    this.#spec = spec
    this.#whitespaceAsSuffix = whitespaceAsSuffix
    this.#map = spec.charsMap
    this.#userPieces = userPieces.toSorted((a, b) => b.length - a.length)
  }

  normalize(text: string): string {
    const { removeExtraWhitespaces, escapeWhitespaces, addDummyPrefix } = this.#spec
    const space = escapeWhitespaces ? SPACE_SYMBOL : ' '
    const pieces = [...this.#mapped(text)]
    if (removeExtraWhitespaces) {
      const first = pieces.findIndex((piece) => piece !== ' ')
      pieces.splice(0, first < 0 ? pieces.length : first)
    }
    if (pieces.length === 0) return ''
    let out = addDummyPrefix && !this.#whitespaceAsSuffix ? space : ''
    let isAfterSpace = removeExtraWhitespaces
    for (const piece of pieces) {
      const kept = isAfterSpace ? piece.replace(/^ +/, '') : piece
      if (kept === '') continue
      out += kept.replaceAll(' ', space)
      isAfterSpace = removeExtraWhitespaces && kept.endsWith(' ')
    }
    if (removeExtraWhitespaces) while (out.endsWith(space)) out = out.slice(0, -space.length)
    return addDummyPrefix && this.#whitespaceAsSuffix ? out + space : out
  }

  /** The text in replaced pieces: by the longest map entry, else a character at a time. */
  *#mapped(text: string): Generator<string> {
    const wellFormed = text.replace(/\p{Surrogate}/gu, '\ufffd')
    const bytes = new TextEncoder().encode(wellFormed)
    let byteAt = 0
    for (let at = 0; at < wellFormed.length; ) {
      const user = this.#userPieces.find((piece) => wellFormed.startsWith(piece, at))
      const entry = user === undefined ? this.#map.longest(bytes, byteAt) : undefined
      const character = String.fromCodePoint(wellFormed.codePointAt(at) ?? 0)
      const byteLength = entry?.length ?? new TextEncoder().encode(user ?? character).length
      yield user ?? entry?.text ?? character
      const end = byteAt + byteLength
      while (byteAt < end) {
        const step = String.fromCodePoint(wellFormed.codePointAt(at) ?? 0)
        byteAt += new TextEncoder().encode(step).length
        at += step.length
      }
    }
  }
}
