/** A language model beside a recogniser: what the prefix beam needs to hear with both. */
import { UserError } from '../../errors.js'
import { printable } from '../../ml/files/refuse.js'
import { CtcTokenizer } from '../../ml/tokenizers/ctc.js'
import { readAlphabet } from './alphabet.js'
import { firstArpaWords, readArpa } from './arpa.js'
import type { BeamAlphabet, BeamOptions } from './beam-options.js'
import { BEGIN, END, type NgramModel, UNKNOWN } from './ngram.js'
import { type PublishedWeights, readPublishedWeights, requireLanguageModel } from './published-model.js'

/** Weights that are not given are those that the checkpoint was published with, where the file is its own, else the usual ones. */
export interface FusionOptions extends PublishedWeights {
  /** Of an ARPA file; the one that the checkpoint was published with unless given. */
  readonly path?: string
  /** Hypotheses kept after each frame. */
  readonly beamWidth?: number
}

/** pyctcdecode's defaults, by which published models were tuned where they say nothing else. */
export const FUSION_DEFAULTS = { alpha: 0.5, beta: 1.5, unknownWordLog10: -10, isSentence: true } as const
const BEAM_WIDTH = 100
/** Twice what one unknown word costs: it must not drop out of the beam as it ends, while open words wait for theirs. */
const BEAM_THRESHOLD = 25
/** Words of the model that are looked at to learn how it is spelt. */
const LOOKED_AT = 20_000
/** With fewer of its words within the recogniser's letters it is the model of something else. */
const LEAST_SHARE = 0.1
const SHOWN_WORDS = 3

/** A beam as one recogniser wants it. */
export interface Fused {
  readonly alphabet: BeamAlphabet
  readonly beam: BeamOptions
  /** Whether a recording begins and ends as a sentence does. */
  readonly isSentence: boolean
}

export class Fusion {
  readonly #directory: string
  readonly #model: NgramModel
  readonly #beam: BeamOptions
  readonly #isSentence: boolean
  #last: { readonly tokenizer: CtcTokenizer; readonly fused: Fused } | undefined

  private constructor(directory: string, model: NgramModel, beam: BeamOptions, isSentence: boolean) {
    this.#directory = directory
    this.#model = model
    this.#beam = beam
    this.#isSentence = isSentence
  }

  /**
   * @param directory of the recogniser
   * @throws UserError where there is no language model, or the file is none
   */
  static async open(directory: string, options: FusionOptions): Promise<Fusion> {
    const isOwn = options.path === undefined
    const path = options.path ?? (await requireLanguageModel(directory))
    const published = isOwn ? await readPublishedWeights(directory) : {}
    const { alpha, beta, unknownWordLog10, isSentence } = { ...FUSION_DEFAULTS, ...published, ...options }
    const languageModel = await readArpa(path)
    const beam = {
      languageModel,
      alpha,
      beta,
      unknownWord: unknownWordLog10 * Math.LN10,
      beamWidth: options.beamWidth ?? BEAM_WIDTH,
      beamThreshold: BEAM_THRESHOLD,
    }
    return new Fusion(directory, languageModel, beam, isSentence)
  }

  /**
   * @param tokenizer the recogniser's present one
   * @throws UserError where its language has no word boundaries, or the model's words are spelt in other letters
   */
  async with(tokenizer: CtcTokenizer): Promise<Fused> {
    if (this.#last?.tokenizer === tokenizer) return this.#last.fused
    const alphabet = await alphabetOfWords(this.#directory, tokenizer)
    const spell = spellingOf(this.#model.words, alphabet, tokenizer)
    const fused = { alphabet, beam: { ...this.#beam, spell }, isSentence: this.#isSentence }
    this.#last = { tokenizer, fused }
    return fused
  }
}

/**
 * Whether a recogniser can hear with the model of a file, by the first of its words: {@link Fusion} reads all of it.
 * @param language of a recogniser with several
 * @throws UserError as {@link Fusion.open} and {@link Fusion.with} do
 */
export async function checkSpelling(directory: string, path: string, language?: string): Promise<void> {
  const tokenizer = await CtcTokenizer.read(directory, language)
  const alphabet = await alphabetOfWords(directory, tokenizer)
  spellingOf(await firstArpaWords(path, LOOKED_AT), alphabet, tokenizer)
}

async function alphabetOfWords(directory: string, tokenizer: CtcTokenizer): Promise<BeamAlphabet> {
  const alphabet = await readAlphabet(directory, tokenizer)
  if (alphabet.delimiter !== undefined) return alphabet
  throw new UserError('a language model of words does not suit this recogniser', {
    code: 'BAD_ARGUMENT',
    remedy: 'leave it out: the vocabulary marks no word boundaries',
  })
}

type Spelling = (word: string) => string
/** Recognisers often write capitals where language models have small letters, or the other way round. */
const SPELLINGS: readonly Spelling[] = [
  (word) => word,
  (word) => word.toLowerCase(),
  (word) => word.toUpperCase(),
]

/** How most of the model's words can be spelt by the recogniser. */
function spellingOf(all: Iterable<string>, alphabet: BeamAlphabet, tokenizer: CtcTokenizer): Spelling {
  const words: string[] = []
  for (const word of all) {
    if (![BEGIN, END, UNKNOWN].includes(word)) words.push(word)
    if (words.length === LOOKED_AT) break
  }
  const heard = lettersOf(alphabet, tokenizer)
  const shares = SPELLINGS.map((spell) => {
    const letters = new Set([...heard].flatMap((letter) => [...spell(letter)]))
    return words.filter((word) => [...word].every((letter) => letters.has(letter))).length / words.length
  })
  const best = Math.max(...shares)
  const spelling = SPELLINGS[shares.indexOf(best)]
  if (spelling !== undefined && best >= LEAST_SHARE) return spelling
  const shown = words.slice(0, SHOWN_WORDS).map(printable)
  throw new UserError(
    words.length === 0
      ? 'the language model has no words'
      : `the words of the language model (${shown.join(', ')}) are not spelt in this recogniser's letters`,
    { code: 'BAD_ARGUMENT', remedy: 'give the model of the language that is spoken, in its own writing' },
  )
}

function lettersOf({ blank, delimiter, forbidden, textOf }: BeamAlphabet, { vocabulary }: CtcTokenizer) {
  const letters = new Set<string>()
  for (const text of vocabulary.tokens) {
    const token = vocabulary.idOf(text)
    if (token === undefined || token === blank || token === delimiter || forbidden?.has(token) === true)
      continue
    for (const letter of textOf(token)) letters.add(letter)
  }
  return letters
}
