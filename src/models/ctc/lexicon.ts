/** A list of words as a trie over tokens, to which a beam can be held. */
import { UserError } from '../../errors.js'

/** A place in the trie; 0 is the root. */
export type LexiconNode = number

/** Three million nodes hold the largest published word lists; each takes 16 bytes. */
const MAX_NODES = 1 << 25
const NONE = -1

export class Lexicon {
  /** First child and next sibling of each node, its token, and the word that ends there. */
  #child: Int32Array = new Int32Array(64).fill(NONE)
  #sibling: Int32Array = new Int32Array(64).fill(NONE)
  #token: Int32Array = new Int32Array(64).fill(NONE)
  #word: Int32Array = new Int32Array(64).fill(NONE)
  #nodes = 1
  readonly words: readonly string[]

  /**
   * @param words each once or more. @param spell the tokens of a word.
   * @throws UserError for a word without tokens, or more than 2^25 nodes.
   */
  constructor(words: Iterable<string>, spell: (word: string) => readonly number[]) {
    const kept: string[] = []
    for (const word of words) {
      const tokens = spell(word)
      if (tokens.length === 0)
        throw new UserError(`the lexicon's word "${word}" has no spelling`, {
          code: 'BAD_ARGUMENT',
          remedy: 'leave it out or spell it in the model’s characters',
        })
      let node: LexiconNode = 0
      for (const token of tokens) node = this.step(node, token) ?? this.#add(node, token)
      if (this.#word[node] !== NONE) continue
      this.#word[node] = kept.length
      kept.push(word)
    }
    this.words = kept
  }

  /** The node reached by a token; undefined where no word goes on so. */
  step(node: LexiconNode, token: number): LexiconNode | undefined {
    for (let at = this.#child[node] ?? NONE; at !== NONE; at = this.#sibling[at] ?? NONE)
      if (this.#token[at] === token) return at
    return undefined
  }

  /** The word that ends at a node; of two spelt alike, the first. */
  wordAt(node: LexiconNode): string | undefined {
    const index = this.#word[node] ?? NONE
    return index === NONE ? undefined : this.words[index]
  }

  /** The word spelt by these tokens. */
  wordOf(tokens: readonly number[]): string | undefined {
    let node: LexiconNode | undefined = 0
    for (const token of tokens) node = node === undefined ? undefined : this.step(node, token)
    return node === undefined ? undefined : this.wordAt(node)
  }

  #add(parent: LexiconNode, token: number): LexiconNode {
    if (this.#nodes >= MAX_NODES)
      throw new UserError(`the lexicon has more than ${MAX_NODES} nodes`, {
        code: 'BAD_ARGUMENT',
        remedy: 'use fewer words',
      })
    if (this.#nodes === this.#child.length) {
      this.#child = grown(this.#child)
      this.#sibling = grown(this.#sibling)
      this.#token = grown(this.#token)
      this.#word = grown(this.#word)
    }
    const node = this.#nodes++
    this.#token[node] = token
    this.#sibling[node] = this.#child[parent] ?? NONE
    this.#child[parent] = node
    return node
  }
}

function grown(array: Int32Array): Int32Array {
  const larger = new Int32Array(array.length * 2).fill(NONE)
  larger.set(array)
  return larger
}
