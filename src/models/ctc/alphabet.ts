/** The alphabet of a recogniser's directory, as the decoders here want it. */
import { flag, readTokenizerConfig, tokenText } from '../../ml/tokenizers/config.js'
import type { CtcTokenizer } from '../../ml/tokenizers/ctc.js'
import type { BeamAlphabet } from './beam-options.js'

/**
 * Blank, word delimiter and the special tokens that are never text, by the tokenizer's configuration. A vocabulary
 * without the delimiter (some languages are written without spaces; phones have none) makes each token a word of its own.
 * @param directory that the tokenizer was read from.
 */
export async function readAlphabet(directory: string, tokenizer: CtcTokenizer): Promise<BeamAlphabet> {
  const config = await readTokenizerConfig(directory)
  const { vocabulary, blankId: blank } = tokenizer
  const delimiter = tokenizer.isPhonetic
    ? undefined
    : vocabulary.idOf(tokenText(config, 'word_delimiter_token', '|'))
  const special = [
    tokenText(config, 'bos_token', '<s>'),
    tokenText(config, 'eos_token', '</s>'),
    tokenText(config, 'unk_token', '<unk>'),
  ]
  const forbidden = new Set(
    special
      .map((token) => vocabulary.idOf(token))
      .filter((id): id is number => id !== undefined && id !== blank),
  )
  const lower = flag(config, 'do_lower_case', false)
  const textOf = (token: number): string => {
    const text = token === delimiter ? ' ' : (vocabulary.tokenOf(token) ?? '')
    return lower ? text.toLowerCase() : text
  }
  return { blank, forbidden, textOf, ...(delimiter === undefined ? {} : { delimiter }) }
}
