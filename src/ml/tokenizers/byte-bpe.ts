/**
 * Byte-level BPE as RoBERTa and data2vec-text use it: vocab.json and merges.txt, GPT-2's word split, `<s> A </s>`
 * and `<s> A </s></s> B </s>`. (Sennrich et al. 2016, arXiv:1508.07909; Radford et al. 2019.)
 */

import { join } from 'node:path'
import { readText } from '../files/read-json.js'
import { printable, refuse } from '../files/refuse.js'
import { AddedTokenSplitter } from './added-tokens.js'
import { fromByteAlphabet, toByteAlphabet } from './byte-alphabet.js'
import { cleanUpSpaces } from './clean-up.js'
import {
  checkedTokenizerClass,
  flag,
  readTokenizerConfig,
  type TokenizerConfig,
  tokenText,
  Vocabulary,
} from './config.js'

/** GPT-2's word pattern; Unicode white space, not ECMAScript's `\s` (which adds U+FEFF and lacks U+0085). */
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu
/** Words seen before are looked up; natural text repeats itself. */
const MAX_CACHED_WORDS = 20_000

export class ByteBpeTokenizer {
  readonly vocabulary: Vocabulary
  readonly beginId: number
  readonly endId: number
  readonly padId: number
  readonly maskId: number
  /** Tokens of the longest text that the model was made for, as the files say; undefined where they do not. */
  readonly mostTokens: number | undefined
  readonly #unknownId: number
  readonly #ranks: ReadonlyMap<string, number>
  readonly #special: ReadonlySet<string>
  readonly #splitter: AddedTokenSplitter
  readonly #addPrefixSpace: boolean
  readonly #cleanUp: boolean
  readonly #cache = new Map<string, readonly string[]>()

  private constructor(config: TokenizerConfig, vocabulary: Vocabulary, ranks: ReadonlyMap<string, number>) {
    this.vocabulary = vocabulary
    this.#ranks = ranks
    const idOf = (field: string, fallback: string): number => {
      const token = tokenText(config, field, fallback)
      const id = vocabulary.idOf(token)
      if (id === undefined)
        throw refuse(join(config.directory, 'vocab.json'), `lacks the ${field} "${printable(token)}"`)
      return id
    }
    this.beginId = idOf('cls_token', '<s>')
    this.endId = idOf('sep_token', '</s>')
    this.padId = idOf('pad_token', '<pad>')
    this.maskId = idOf('mask_token', '<mask>')
    this.#unknownId = idOf('unk_token', '<unk>')
    // "No limit" is written as 1e30.
    const { model_max_length: most } = config.fields
    this.mostTokens = typeof most === 'number' && Number.isSafeInteger(most) && most > 0 ? most : undefined
    const plain = ['bos_token', 'eos_token', 'cls_token', 'sep_token', 'pad_token', 'unk_token']
    const fallbacks = ['<s>', '</s>', '<s>', '</s>', '<pad>', '<unk>']
    const mask = { content: tokenText(config, 'mask_token', '<mask>'), stripLeft: true }
    const added = plain.map((field, i) => ({ content: tokenText(config, field, fallbacks[i] ?? '') }))
    this.#special = new Set([mask, ...added].map(({ content }) => content))
    this.#splitter = new AddedTokenSplitter([mask, ...added])
    this.#addPrefixSpace = flag(config, 'add_prefix_space', false)
    this.#cleanUp = flag(config, 'clean_up_tokenization_spaces', false)
  }

  /** @throws UserError for missing or malformed files */
  static async read(directory: string): Promise<ByteBpeTokenizer> {
    const config = await readTokenizerConfig(directory)
    await checkedTokenizerClass(config, ['RobertaTokenizer'])
    const vocabulary = await Vocabulary.read(config)
    const path = join(directory, 'merges.txt')
    const ranks = new Map<string, number>()
    for (const line of (await readText(path)).split('\n')) {
      if (line === '' || line.startsWith('#version')) continue
      const merge = line.trimEnd()
      if (merge.split(' ').length !== 2) throw refuse(path, `has the malformed merge "${printable(merge)}"`)
      ranks.set(merge, ranks.size)
    }
    return new ByteBpeTokenizer(config, vocabulary, ranks)
  }

  /** Pieces in the byte alphabet, without special tokens around them. */
  tokenize(text: string): readonly string[] {
    const prefixed =
      this.#addPrefixSpace && text !== '' && !/^\p{White_Space}/u.test(text) ? ` ${text}` : text
    return this.#splitter
      .split(prefixed)
      .flatMap((part) =>
        part.isToken
          ? [part.text]
          : [...part.text.matchAll(WORDS)].flatMap(([word]) => this.#merge(toByteAlphabet(word))),
      )
  }

  /** `<s> text </s>`, or `<s> text </s></s> pair </s>`. */
  encode(text: string, pair?: string): readonly number[] {
    const ids = (part: string) =>
      this.tokenize(part).map((token) => this.vocabulary.idOf(token) ?? this.#unknownId)
    const first = [this.beginId, ...ids(text), this.endId]
    return pair === undefined ? first : [...first, this.endId, ...ids(pair), this.endId]
  }

  decode(ids: Iterable<number>, options: { readonly skipSpecial?: boolean } = {}): string {
    let joined = ''
    for (const id of ids) {
      const token = this.vocabulary.tokenOf(id) ?? ''
      if (options.skipSpecial !== true || !this.#special.has(token)) joined += token
    }
    const text = fromByteAlphabet(joined)
    return this.#cleanUp ? cleanUpSpaces(text) : text
  }

  /** Merges the neighbours of lowest rank until none is listed. */
  #merge(word: string): readonly string[] {
    const cached = this.#cache.get(word)
    if (cached !== undefined) return cached
    let pieces: string[] = [...word]
    while (pieces.length > 1) {
      let best = Number.POSITIVE_INFINITY
      let merge = ''
      for (let i = 0; i + 1 < pieces.length; i++) {
        const pair = `${pieces[i]} ${pieces[i + 1]}`
        const rank = this.#ranks.get(pair) ?? Number.POSITIVE_INFINITY
        if (rank < best) {
          best = rank
          merge = pair
        }
      }
      if (merge === '') break
      pieces = joinPairs(pieces, merge)
    }
    if (this.#cache.size >= MAX_CACHED_WORDS) this.#cache.clear()
    this.#cache.set(word, pieces)
    return pieces
  }
}

/** Joins every occurrence of the pair "a b", from the left. */
function joinPairs(pieces: readonly string[], pair: string): string[] {
  const out: string[] = []
  for (let i = 0; i < pieces.length; i++) {
    const left = pieces[i] ?? ''
    const right = pieces[i + 1]
    if (right !== undefined && `${left} ${right}` === pair) {
      out.push(left + right)
      i++
    } else out.push(left)
  }
  return out
}
