/**
 * The compiled character map of a SentencePiece normalizer: a Darts-clone double-array trie over UTF-8 bytes whose
 * values are offsets of NUL-terminated replacements (sentencepiece src/normalizer.cc, third_party/darts_clone).
 */

import { ProtobufError } from './protobuf.js'

export interface Replacement {
  readonly text: string
  /** UTF-8 bytes of the input that it stands for. */
  readonly length: number
}

const LEAF_BIT = 1 << 8
const LABEL_MASK = 0x800000ff
const VALUE_MASK = 0x7fffffff

export class CharsMap {
  readonly #units: Uint32Array
  readonly #texts: Uint8Array

  /**
   * @param bytes u32 size of the trie, the trie, the replacements; empty for a map without entries
   * @throws ProtobufError where the sizes do not fit
   */
  constructor(bytes: Uint8Array) {
    if (bytes.length === 0) {
      this.#units = new Uint32Array(0)
      this.#texts = bytes
      return
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const size = bytes.length >= 4 ? view.getUint32(0, true) : Number.POSITIVE_INFINITY
    if (size > bytes.length - 4 || size % 4 !== 0) throw new ProtobufError('its character map is cut short')
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true))
    this.#texts = bytes.subarray(4 + size)
    if (this.#texts.at(-1) !== 0) throw new ProtobufError('its character map has no end')
  }

  /** The replacement of the longest entry that starts at `at`, if any. */
  longest(input: Uint8Array, at: number): Replacement | undefined {
    const units = this.#units
    if (units.length === 0) return undefined
    let found: { readonly value: number; readonly length: number } | undefined
    let node = offsetOf(units[0] ?? 0)
    for (let i = at; i < input.length; i++) {
      const byte = input[i] ?? 0
      node ^= byte
      const unit = units[node] ?? 0
      if ((unit & LABEL_MASK) >>> 0 !== byte) break
      node ^= offsetOf(unit)
      if ((unit & LEAF_BIT) !== 0) found = { value: (units[node] ?? 0) & VALUE_MASK, length: i + 1 - at }
    }
    return found === undefined ? undefined : { text: this.#textAt(found.value), length: found.length }
  }

  #textAt(offset: number): string {
    // The texts end with NUL; an offset past them (a damaged trie) stands for nothing.
    const end = Math.max(offset, this.#texts.indexOf(0, offset))
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.#texts.subarray(offset, end))
  }
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & (1 << 9)) >>> 6)
}
