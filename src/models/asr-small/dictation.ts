/** Free dictation, experimental: the prefix beam held to the language model's words. */
import { join } from 'node:path'
import { readArpa } from '../ctc/arpa.js'
import { type BeamAlphabet, type BeamOptions, beamSearch } from '../ctc/beam.js'
import { Lexicon } from '../ctc/lexicon.js'
import type { LogProbabilities } from '../ctc/log-probabilities.js'
import { BEGIN, END, type NgramModel, UNKNOWN } from '../ctc/ngram.js'
import type { ServedConfig } from './config.js'
import { LANGUAGE_MODEL_FILE } from './data/texts.js'
import { ALPHABET, BLANK, encodeText } from './text.js'

export interface Dictation {
  readonly alphabet: BeamAlphabet
  readonly languageModel: NgramModel
  readonly lexicon: Lexicon
}

const BEAM_WIDTH = 64

/** @throws UserError where the directory has no language model. */
export async function readDictation(directory: string): Promise<Dictation> {
  const languageModel = await readArpa(join(directory, LANGUAGE_MODEL_FILE))
  const words = [...languageModel.words].filter((word) => ![BEGIN, END, UNKNOWN].includes(word))
  return {
    alphabet: {
      blank: BLANK,
      delimiter: encodeText(' ')[0] ?? 1,
      textOf: (token) => ALPHABET.charAt(token - 1),
    },
    languageModel,
    lexicon: new Lexicon(words, encodeText),
  }
}

/** @param weights of config.json. */
export const dictationOptions = (
  { languageModel, lexicon }: Dictation,
  weights: ServedConfig['dictation'],
): BeamOptions => ({ languageModel, lexicon, beamWidth: BEAM_WIDTH, ...weights })

/** The text of what was heard in one piece. */
export const dictate = (
  piece: LogProbabilities,
  dictation: Dictation,
  weights: ServedConfig['dictation'],
): string => beamSearch(piece, dictation.alphabet, dictationOptions(dictation, weights))[0]?.text ?? ''
