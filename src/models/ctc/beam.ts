/**
 * CTC prefix beam search (Graves and Jaitly 2014, algorithm 1; Hannun et al. 2014) with word n-gram fusion:
 * log p_ctc(tokens) + alpha log p_LM(words) + beta |words|. Logarithms are natural.
 *
 * Delimiters are spaces: leading ones vanish and neighbours are one, so "a", " a" and "a  " are one hypothesis whose
 * paths add up. With unlimited bounds the search is exact.
 */

import { BEAM_DEFAULTS, type BeamAlphabet, type BeamOptions, type Hypothesis } from './beam-options.js'
import { Prefix, type Standing } from './beam-prefix.js'
import { checkLogProbabilities, type LogProbabilities, logAdd } from './log-probabilities.js'

export type { BeamAlphabet, BeamOptions, Hypothesis } from './beam-options.js'

const START: Omit<Standing, 'state'> = { score: 0, owed: 0, words: 0, node: 0, open: 0 }
/**
 * An open word costs nothing until it ends, and an unknown one much: without more, words that are run together would
 * cost less than each by itself. So from the twelfth letter on every six cost as much as one more unknown word
 * (pyctcdecode charges by six letters, too).
 */
const FREE_LETTERS = 12
const LETTERS_OF_A_WORD = 6

/**
 * @returns best first; none only where no path is left at all.
 * @throws RangeError for options out of range, or a lexicon without a delimiter.
 */
export function beamSearch(
  input: LogProbabilities,
  alphabet: BeamAlphabet,
  options: BeamOptions = {},
): readonly Hypothesis[] {
  checkLogProbabilities(input)
  const search = new BeamSearch(alphabet, options, input.classes)
  for (let frame = 0; frame < input.frames; frame++)
    search.frame(input.data.subarray(frame * input.classes, (frame + 1) * input.classes))
  return search.results()
}

/** The search itself, a frame at a time: sound may come as it is spoken. Memory is bounded by the beam. */
export class BeamSearch {
  readonly #alphabet: BeamAlphabet
  readonly #options: BeamOptions
  readonly #width: number
  readonly #classes: number
  #beam: Prefix[]

  constructor(alphabet: BeamAlphabet, options: BeamOptions, classes: number) {
    const {
      beamWidth = BEAM_DEFAULTS.beamWidth,
      beamThreshold = BEAM_DEFAULTS.beamThreshold,
      results = 1,
    } = options
    for (const [name, value] of Object.entries({
      beamWidth,
      results,
      tokensPerFrame: options.tokensPerFrame ?? 1,
    }))
      if (!(value >= 1)) throw new RangeError(`${name} is at least 1, not ${value}`)
    if (!(beamThreshold >= 0)) throw new RangeError(`beamThreshold is at least 0, not ${beamThreshold}`)
    if (options.lexicon !== undefined && alphabet.delimiter === undefined)
      throw new RangeError('a lexicon needs an alphabet with a delimiter')
    this.#alphabet = alphabet
    this.#options = options
    this.#width = beamWidth
    this.#classes = classes
    const { languageModel, context = languageModel?.begin ?? 0 } = options
    this.#beam = [Prefix.root({ ...START, state: context })]
  }

  /** @param row log p of each class at the next frame. */
  frame(row: Float32Array): void {
    if (row.length !== this.#classes) throw new RangeError(`a frame has ${this.#classes} classes`)
    const best = this.#stay(row)
    const { beamThreshold = BEAM_DEFAULTS.beamThreshold } = this.#options
    const reached = this.#extend(row, best - beamThreshold)
    this.#prune(reached)
  }

  /** Paths that add a blank or repeat their last token leave the text as it is. @returns the best score. */
  #stay(row: Float32Array): number {
    const { blank, delimiter } = this.#alphabet
    let best = Number.NEGATIVE_INFINITY
    for (const prefix of this.#beam) {
      prefix.nextBlank = prefix.total + (row[blank] ?? 0)
      // One more delimiter after a delimiter, or before the first word, changes nothing.
      if (delimiter !== undefined && prefix.standing.open === 0)
        prefix.nextNonBlank = prefix.total + (row[delimiter] ?? 0)
      else if (prefix.parent !== undefined) prefix.nextNonBlank = prefix.nonBlank + (row[prefix.token] ?? 0)
      best = Math.max(best, Math.max(prefix.nextBlank, prefix.nextNonBlank) + prefix.standing.score)
    }
    return best
  }

  /**
   * Paths that add a token. What leads to a prefix of the beam is added there; the others come only from their parent,
   * so their scores are final, and none is made that could not stay.
   */
  #extend(row: Float32Array, least: number): readonly Extension[] {
    const { delimiter } = this.#alphabet
    const tried = this.#tokensOf(row)
    const reached: Extension[] = []
    for (const prefix of this.#beam) {
      const isAtGap = delimiter !== undefined && prefix.standing.open === 0
      for (const token of tried) {
        if (isAtGap && token === delimiter) continue
        const logP = (token === prefix.token ? prefix.blank : prefix.total) + (row[token] ?? 0)
        if (logP === Number.NEGATIVE_INFINITY) continue
        const child = prefix.children?.get(token)
        if (child?.isHeld === true) {
          child.nextNonBlank = logAdd(child.nextNonBlank, logP)
          continue
        }
        // The score changes only where a word ends; the rest need not be worked out for those that drop out.
        const isWithinWord = delimiter !== undefined && token !== delimiter
        if (isWithinWord && logP + prefix.standing.score < least) continue
        const isCertain = isWithinWord && this.#options.lexicon === undefined
        const standing = isCertain ? undefined : (child?.standing ?? this.#standingAfter(prefix, token))
        if (standing === undefined && !isCertain) continue
        const score = logP + (standing ?? prefix.standing).score
        if (score >= least) reached.push({ prefix, token, standing, logP, score })
      }
    }
    return reached
  }

  /** Best first. The search may go on afterwards. */
  results(): readonly Hypothesis[] {
    const closed = this.#closed(true)
    // Everything left may be within a word that the lexicon does not end here: say so rather than nothing.
    const found = closed.length > 0 ? closed : this.#closed(false)
    return found.toSorted((a, b) => b.score - a.score).slice(0, this.#options.results ?? 1)
  }

  #closed(complete: boolean): Hypothesis[] {
    const { delimiter } = this.#alphabet
    const groups = new Map<Prefix, number>()
    for (const prefix of this.#beam) {
      // "a" and "a " are the same words.
      const isTrailing = delimiter !== undefined && prefix.token === delimiter
      const words = isTrailing && prefix.parent !== undefined ? prefix.parent : prefix
      groups.set(words, logAdd(groups.get(words) ?? Number.NEGATIVE_INFINITY, prefix.total))
    }
    const hypotheses: Hypothesis[] = []
    for (const [prefix, logProbability] of groups) {
      if (logProbability === Number.NEGATIVE_INFINITY) continue
      const last = prefix.standing.open === 0 ? prefix.standing : this.#closeWord(prefix)
      if (last === undefined && complete) continue
      const standing = last ?? prefix.standing
      const { languageModel, alpha = 0.5, scoreEnd = true } = this.#options
      const end = languageModel !== undefined && scoreEnd ? alpha * languageModel.end(standing.state) : 0
      const words = this.#wordsOf(prefix)
      hypotheses.push({
        tokens: prefix.tokens,
        words,
        text: words.join(delimiter === undefined ? '' : ' '),
        score: logProbability + standing.score + end,
        logProbability,
        context: standing.state,
        isComplete: last !== undefined,
      })
    }
    return hypotheses
  }

  #wordsOf(prefix: Prefix): readonly string[] {
    const { delimiter, textOf } = this.#alphabet
    if (delimiter === undefined) return prefix.tokens.map(textOf)
    const { lexicon } = this.#options
    const words: string[] = []
    let open: number[] = []
    for (const token of [...prefix.tokens, delimiter]) {
      if (token !== delimiter) open.push(token)
      else if (open.length > 0) {
        words.push(lexicon?.wordOf(open) ?? open.map(textOf).join(''))
        open = []
      }
    }
    return words
  }

  /** Classes worth trying, the blank apart. */
  #tokensOf(row: Float32Array): readonly number[] {
    const { tokenThreshold = BEAM_DEFAULTS.tokenThreshold, tokensPerFrame = BEAM_DEFAULTS.tokensPerFrame } =
      this.#options
    const { blank, forbidden } = this.#alphabet
    const tokens: number[] = []
    let best = -1
    for (let token = 0; token < row.length; token++) {
      if (token === blank || forbidden?.has(token) === true) continue
      if (best < 0 || (row[token] ?? 0) > (row[best] ?? 0)) best = token
      if ((row[token] ?? 0) >= tokenThreshold) tokens.push(token)
    }
    if (tokens.length === 0) return best < 0 ? [] : [best]
    if (tokens.length <= tokensPerFrame) return tokens
    return tokens.sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || a - b).slice(0, tokensPerFrame)
  }

  #standingAfter(prefix: Prefix, token: number): Standing | undefined {
    const { standing } = prefix
    const { delimiter, textOf } = this.#alphabet
    if (delimiter === undefined) return this.#spoken(standing, textOf(token))
    if (token === delimiter) return this.#closeWord(prefix)
    const { lexicon } = this.#options
    const node = lexicon === undefined ? 0 : lexicon.step(standing.node, token)
    if (node === undefined) return undefined
    const { state, words } = standing
    const open = standing.open + 1
    const owed = this.#owed(open)
    return { score: standing.score - standing.owed + owed, owed, state, words, node, open }
  }

  /** Of an open word of so many letters that may turn out to be unknown. */
  #owed(letters: number): number {
    const { languageModel, lexicon, alpha = 0.5, unknownWord = 0 } = this.#options
    if (languageModel === undefined || lexicon !== undefined || letters <= FREE_LETTERS) return 0
    return (alpha * unknownWord * (letters - FREE_LETTERS)) / LETTERS_OF_A_WORD
  }

  /** The standing once the open word is complete; undefined where the lexicon has no such word. */
  #closeWord(prefix: Prefix): Standing | undefined {
    if (prefix.closed === undefined) prefix.closed = this.#close(prefix) ?? null
    return prefix.closed ?? undefined
  }

  #close(prefix: Prefix): Standing | undefined {
    const { standing } = prefix
    const { lexicon } = this.#options
    const word =
      lexicon === undefined
        ? prefix.lastTokens(standing.open).map(this.#alphabet.textOf).join('')
        : lexicon.wordAt(standing.node)
    return word === undefined ? undefined : this.#spoken(standing, word)
  }

  #spoken(standing: Standing, word: string): Standing {
    const { languageModel, spell, alpha = 0.5, beta = 0, unknownWord = 0 } = this.#options
    const words = standing.words + 1
    const after = { owed: 0, words, node: 0, open: 0 }
    if (languageModel === undefined) return { ...after, score: standing.score + beta, state: standing.state }
    const spelt = spell === undefined ? word : spell(word)
    const { logProbability, state } = languageModel.step(standing.state, spelt)
    const isKnown = languageModel.has(spelt)
    const logP = logProbability + (isKnown ? 0 : unknownWord)
    const before = standing.score - (isKnown ? standing.owed : 0)
    return { ...after, score: before + alpha * logP + beta, state }
  }

  #prune(reached: readonly Extension[]): void {
    const { beamThreshold = BEAM_DEFAULTS.beamThreshold } = this.#options
    const scores = new Float64Array(this.#beam.length + reached.length)
    for (const [i, prefix] of this.#beam.entries()) {
      prefix.advance()
      scores[i] = prefix.score
    }
    for (const [i, { score }] of reached.entries()) scores[this.#beam.length + i] = score
    const best = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
    let least = Math.max(best - beamThreshold, -Number.MAX_VALUE)
    let atLeast = Number.POSITIVE_INFINITY
    if (scores.length > this.#width) {
      // The last that fits; of those equal to it, as many as there is room for.
      const sorted = scores.slice().sort()
      const cut = sorted[sorted.length - this.#width] ?? least
      if (cut > least) least = cut
      atLeast = this.#width - sorted.reduce((count, score) => count + (score > least ? 1 : 0), 0)
    }
    const isKept = (score: number): boolean => score > least || (score === least && atLeast-- > 0)
    const kept: Prefix[] = []
    const dropped: Prefix[] = []
    for (const [i, prefix] of this.#beam.entries()) {
      prefix.isHeld = isKept(scores[i] ?? Number.NaN)
      if (prefix.isHeld) kept.push(prefix)
      else dropped.push(prefix)
    }
    for (const { prefix, token, standing, logP, score } of reached)
      if (isKept(score)) {
        const after = standing ?? this.#standingAfter(prefix, token)
        if (after !== undefined) kept.push(prefix.take(token, after, logP))
      }
    for (const prefix of dropped) prefix.release()
    this.#beam = kept
  }
}

/** A prefix that is not in the beam, reached from one that is. */
interface Extension {
  readonly prefix: Prefix
  readonly token: number
  /** Undefined where it follows from the parent's alone. */
  readonly standing: Standing | undefined
  readonly logP: number
  readonly score: number
}
