/** What a prefix beam search is told, and what it finds. */
import type { Lexicon } from './lexicon.js'
import type { NgramModel, NgramState } from './ngram.js'

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
  /** How the language model writes a word; as it was heard unless told. */
  readonly spell?: (word: string) => string
  /** What the language model knows before the first word; the beginning of a sentence unless told. */
  readonly context?: NgramState
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
  /** What the language model knows after the last word: where the next piece of the same speech goes on. */
  readonly context: NgramState
  /** False where the lexicon lacks the last word, because the sound broke off within it; only if no other is left. */
  readonly isComplete: boolean
}

/** Generous for peaked outputs; a wider beam than 100 seldom changes a text. */
export const BEAM_DEFAULTS = { beamWidth: 100, beamThreshold: 12, tokenThreshold: -8, tokensPerFrame: 64 }
