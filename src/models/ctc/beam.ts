/**
 * CTC prefix beam search (Graves and Jaitly 2014, algorithm 1; Hannun et al. 2014) with word n-gram fusion:
 * log p_ctc(tokens) + alpha log p_LM(words) + beta |words|. Logarithms are natural.
 *
 * Delimiters are spaces: leading ones vanish and neighbours are one, so "a", " a" and "a  " are one hypothesis whose
 * paths add up. With unlimited bounds the search is exact.
 */
import { Prefix, type Standing } from './beam-prefix.js'
import type { Lexicon } from './lexicon.js'
import { checkLogProbabilities, type LogProbabilities, logAdd } from './log-probabilities.js'
import type { NgramModel } from './ngram.js'

export interface BeamAlphabet {
  /** The class that stands for nothing. */
  readonly blank: number
  /** The class between words; without one each token is a word of its own. */
  readonly delimiter?: number
  /** Classes that are never text, such as `<s>`: paths through them are dropped. */
  readonly forbidden?: ReadonlySet<number>
  /** A token's characters. */
  readonly textOf: (token: number) => string
}

export interface BeamOptions {
  /** Hypotheses kept after each frame; 100 unless told. */
  readonly beamWidth?: number
  /** Hypotheses this far (natural logarithm) below the best are dropped; 12 unless told. */
  readonly beamThreshold?: number
  /** Classes whose log p at a frame is below this are not tried, the best one excepted; -8 unless told. */
  readonly tokenThreshold?: number
  /** Classes tried at a frame, the likeliest; 64 unless told. */
  readonly tokensPerFrame?: number
  /** Hypotheses returned, best first; 1 unless told. */
  readonly results?: number
  readonly languageModel?: NgramModel
  /** Weight of the language model; 0.5 unless told. */
  readonly alpha?: number
  /** Added for each word; 0 unless told, to be tuned with alpha on held-out speech. */
  readonly beta?: number
  /** Added, before alpha, to log p_LM of a word that the language model lacks; 0 unless told. */
  readonly unknownWord?: number
  /** Score p(`</s>`) at the end; true unless told. Not for pieces of a longer recording. */
  readonly scoreEnd?: boolean
  /** Only these words may be said. Needs a delimiter. */
  readonly lexicon?: Lexicon
}

export interface Hypothesis {
  readonly tokens: readonly number[]
  readonly words: readonly string[]
  readonly text: string
  /** What hypotheses are ranked by. */
  readonly score: number
  /** log p_ctc of the words, summed over the paths that the beam kept. */
  readonly logProbability: number
  /** False where the lexicon lacks the last word, because the sound broke off within it; only if no other is left. */
  readonly isComplete: boolean
}

const DEFAULTS = { beamWidth: 100, beamThreshold: 12, tokenThreshold: -8, tokensPerFrame: 64 }
const START: Omit<Standing, 'state'> = { score: 0, words: 0, node: 0, open: 0 }

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
    const { beamWidth = DEFAULTS.beamWidth, beamThreshold = DEFAULTS.beamThreshold, results = 1 } = options
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
    const root = new Prefix(undefined, -1, { ...START, state: options.languageModel?.begin ?? 0 })
    root.blank = 0
    root.isHeld = true
    this.#beam = [root]
  }

  /** @param row log p of each class at the next frame. */
  frame(row: Float32Array): void {
    if (row.length !== this.#classes) throw new RangeError(`a frame has ${this.#classes} classes`)
    const { blank, delimiter } = this.#alphabet
    const tried = this.#tokensOf(row)
    const reached = new Set<Prefix>()
    for (const prefix of this.#beam) {
      reached.add(prefix)
      const all = prefix.total
      prefix.nextBlank = logAdd(prefix.nextBlank, all + (row[blank] ?? 0))
      const isAtGap = delimiter !== undefined && prefix.standing.open === 0
      for (const token of tried) {
        const logP = row[token] ?? 0
        if (isAtGap && token === delimiter) {
          // One more delimiter after a delimiter, or before the first word, changes nothing.
          prefix.nextNonBlank = logAdd(prefix.nextNonBlank, all + logP)
          continue
        }
        if (token === prefix.token) prefix.nextNonBlank = logAdd(prefix.nextNonBlank, prefix.nonBlank + logP)
        const from = token === prefix.token ? prefix.blank : all
        if (from === Number.NEGATIVE_INFINITY || logP === Number.NEGATIVE_INFINITY) continue
        const child = this.#extend(prefix, token)
        if (child === undefined) continue
        child.nextNonBlank = logAdd(child.nextNonBlank, from + logP)
        reached.add(child)
      }
    }
    this.#prune(reached)
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
    const { tokenThreshold = DEFAULTS.tokenThreshold, tokensPerFrame = DEFAULTS.tokensPerFrame } =
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

  #extend(prefix: Prefix, token: number): Prefix | undefined {
    const known = prefix.children.get(token)
    if (known !== undefined) return known
    const standing = this.#standingAfter(prefix, token)
    if (standing === undefined) return undefined
    const child = new Prefix(prefix, token, standing)
    prefix.children.set(token, child)
    return child
  }

  #standingAfter(prefix: Prefix, token: number): Standing | undefined {
    const { standing } = prefix
    const { delimiter, textOf } = this.#alphabet
    if (delimiter === undefined) return this.#spoken(standing, textOf(token))
    if (token === delimiter) return this.#closeWord(prefix)
    const { lexicon } = this.#options
    const node = lexicon === undefined ? 0 : lexicon.step(standing.node, token)
    return node === undefined ? undefined : { ...standing, node, open: standing.open + 1 }
  }

  /** The standing once the open word is complete; undefined where the lexicon has no such word. */
  #closeWord(prefix: Prefix): Standing | undefined {
    const { standing } = prefix
    const { lexicon } = this.#options
    const word =
      lexicon === undefined
        ? prefix.lastTokens(standing.open).map(this.#alphabet.textOf).join('')
        : lexicon.wordAt(standing.node)
    return word === undefined ? undefined : this.#spoken(standing, word)
  }

  #spoken(standing: Standing, word: string): Standing {
    const { languageModel, alpha = 0.5, beta = 0, unknownWord = 0 } = this.#options
    const words = standing.words + 1
    if (languageModel === undefined)
      return { score: standing.score + beta, state: standing.state, words, node: 0, open: 0 }
    const { logProbability, state } = languageModel.step(standing.state, word)
    const logP = logProbability + (languageModel.has(word) ? 0 : unknownWord)
    return { score: standing.score + alpha * logP + beta, state, words, node: 0, open: 0 }
  }

  #prune(reached: ReadonlySet<Prefix>): void {
    const { beamThreshold = DEFAULTS.beamThreshold } = this.#options
    const ranked: { readonly prefix: Prefix; readonly score: number }[] = []
    let best = Number.NEGATIVE_INFINITY
    for (const prefix of reached) {
      prefix.advance()
      const { score } = prefix
      best = Math.max(best, score)
      ranked.push({ prefix, score })
    }
    const kept = ranked.filter(
      ({ score }) => score >= best - beamThreshold && score > Number.NEGATIVE_INFINITY,
    )
    if (kept.length > this.#width) {
      kept.sort((a, b) => b.score - a.score)
      kept.length = this.#width
    }
    const beam = kept.map(({ prefix }) => prefix)
    const holds = new Set(beam)
    for (const prefix of reached) prefix.isHeld = holds.has(prefix)
    for (const prefix of reached) if (!prefix.isHeld) prefix.release()
    this.#beam = beam
  }
}
