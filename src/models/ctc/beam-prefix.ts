/** The tree of prefixes that a beam holds: equal token sequences are one node, so their paths add up. */
import type { LexiconNode } from './lexicon.js'
import { logAdd } from './log-probabilities.js'
import type { NgramState } from './ngram.js'

const NEVER = Number.NEGATIVE_INFINITY

/** What the words of a prefix add to its score. */
export interface Standing {
  /** alpha log p_LM + beta |words| of the complete words. */
  readonly score: number
  readonly state: NgramState
  /** Complete words. */
  readonly words: number
  /** Where the open word is in the lexicon; 0 between words and without a lexicon. */
  readonly node: LexiconNode
  /** Tokens of the open word. */
  readonly open: number
}

export class Prefix {
  /** log p of the paths that end in a blank, and in the last token. */
  blank = NEVER
  nonBlank = NEVER
  /** The same after the frame at hand. */
  nextBlank = NEVER
  nextNonBlank = NEVER
  isHeld = false
  readonly children = new Map<number, Prefix>()

  constructor(
    readonly parent: Prefix | undefined,
    readonly token: number,
    readonly standing: Standing,
  ) {}

  /** log p of all paths so far. */
  get total(): number {
    return logAdd(this.blank, this.nonBlank)
  }

  get score(): number {
    return this.total + this.standing.score
  }

  advance(): void {
    this.blank = this.nextBlank
    this.nonBlank = this.nextNonBlank
    this.nextBlank = NEVER
    this.nextNonBlank = NEVER
  }

  /** Leaves the tree, with the ancestors that only it kept there: memory is bounded by what the beam holds. */
  release(): void {
    this.blank = NEVER
    this.nonBlank = NEVER
    for (let at: Prefix = this; !at.isHeld && at.children.size === 0 && at.parent !== undefined; ) {
      at.parent.children.delete(at.token)
      at = at.parent
    }
  }

  get tokens(): readonly number[] {
    const tokens: number[] = []
    for (let at: Prefix = this; at.parent !== undefined; at = at.parent) tokens.push(at.token)
    return tokens.reverse()
  }

  /** The last `count` tokens. */
  lastTokens(count: number): readonly number[] {
    const tokens: number[] = []
    for (let at: Prefix = this; at.parent !== undefined && tokens.length < count; at = at.parent)
      tokens.push(at.token)
    return tokens.reverse()
  }
}
