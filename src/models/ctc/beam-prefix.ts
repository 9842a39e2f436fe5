/** The tree of prefixes that a beam holds: equal token sequences are one node, so their paths add up. */
import type { LexiconNode } from './lexicon.js'
import { logAdd } from './log-probabilities.js'
import type { NgramState } from './ngram.js'

const NEVER = Number.NEGATIVE_INFINITY

/** What the words of a prefix add to its score. */
export interface Standing {
  /** alpha log p_LM + beta |words| of the complete words, and what the open word owes by now. */
  readonly score: number
  /** What the open word owes: it is given back where the language model turns out to have it. */
  readonly owed: number
  readonly state: NgramState
  /** Complete words. */
  readonly words: number
  /** Where the open word is in the lexicon; 0 between words and without a lexicon. */
  readonly node: LexiconNode
  /** Tokens of the open word. */
  readonly open: number
}

export class Prefix {
  /** log p of the paths that end in a blank, in the last token, and of all. */
  blank = NEVER
  nonBlank = NEVER
  total = NEVER
  /** The same after the frame at hand. */
  nextBlank = NEVER
  nextNonBlank = NEVER
  /** Whether the beam holds it; others are there for those that go on from them. */
  isHeld = false
  children: Map<number, Prefix> | undefined
  /** The standing once the open word is complete, null where it is no word; worked out when it is asked for. */
  closed: Standing | null | undefined

  constructor(
    readonly parent: Prefix | undefined,
    readonly token: number,
    readonly standing: Standing,
  ) {}

  /** The empty prefix, where every path begins. */
  static root(standing: Standing): Prefix {
    const root = new Prefix(undefined, -1, standing)
    root.blank = 0
    root.total = 0
    root.isHeld = true
    return root
  }

  get score(): number {
    return this.total + this.standing.score
  }

  advance(): void {
    this.blank = this.nextBlank
    this.nonBlank = this.nextNonBlank
    this.total = logAdd(this.blank, this.nonBlank)
    this.nextBlank = NEVER
    this.nextNonBlank = NEVER
  }

  /** The prefix with one more token, into the beam. @param logP of all its paths, which end in the token. */
  take(token: number, standing: Standing, logP: number): Prefix {
    this.children ??= new Map()
    const child = this.children.get(token) ?? new Prefix(this, token, standing)
    this.children.set(token, child)
    child.nonBlank = logP
    child.total = logP
    child.isHeld = true
    return child
  }

  /** Leaves the tree, with the ancestors that only it kept there: memory is bounded by what the beam holds. */
  release(): void {
    this.blank = NEVER
    this.nonBlank = NEVER
    this.total = NEVER
    let at: Prefix = this
    while (!at.isHeld && (at.children?.size ?? 0) === 0 && at.parent !== undefined) {
      at.parent.children?.delete(at.token)
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
