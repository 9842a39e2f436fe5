/**
 * The character tokenizer of VITS and MMS-TTS (`VitsTokenizer`): characters with the blank (id 0) between them.
 * Text is lower-cased and stripped of what the vocabulary lacks where the configuration says `normalize`.
 */

import { UserError } from '../../errors.js'
import { AddedTokenSplitter } from './added-tokens.js'
import {
  checkedTokenizerClass,
  flag,
  readTokenizerConfig,
  type TokenizerConfig,
  tokenText,
  Vocabulary,
} from './config.js'

const BLANK_ID = 0
/** Romanian models were trained with the cedilla; text has the comma below. */
const ROMANIAN = 'ron'

export class VitsTokenizer {
  readonly vocabulary: Vocabulary
  /** ISO 639-3, where the configuration says. */
  readonly language: string | undefined
  readonly #config: TokenizerConfig
  readonly #splitter: AddedTokenSplitter
  readonly #unknown: string
  readonly #addBlank: boolean

  private constructor(config: TokenizerConfig, vocabulary: Vocabulary) {
    this.#config = config
    this.vocabulary = vocabulary
    const { language } = config.fields
    this.language = typeof language === 'string' ? language : undefined
    this.#unknown = tokenText(config, 'unk_token', '<unk>')
    this.#addBlank = flag(config, 'add_blank', true)
    const pad = tokenText(config, 'pad_token', '<pad>')
    this.#splitter = new AddedTokenSplitter([{ content: pad }, { content: this.#unknown }])
  }

  /** @throws UserError for missing or malformed files, and for models that need a phonemizer */
  static async read(directory: string): Promise<VitsTokenizer> {
    const config = await readTokenizerConfig(directory)
    if (Object.keys(config.fields).length === 0)
      throw new UserError(`${directory} has no tokenizer_config.json`, {
        code: 'NOT_FOUND',
        remedy: 'download it beside the weights, with vocab.json',
      })
    await checkedTokenizerClass(config, ['VitsTokenizer'])
    if (flag(config, 'phonemize', true))
      throw new UserError(`${directory} speaks phonemes, which this reader cannot make`, {
        code: 'UNAVAILABLE',
        remedy: 'use a model of characters, such as the MMS-TTS ones',
      })
    return new VitsTokenizer(config, await Vocabulary.read(config))
  }

  /** The text that is spoken: lower case, without characters that the vocabulary lacks. */
  normalize(text: string): string {
    const isNormalizing = flag(this.#config, 'normalize', true)
    const lowered = isNormalizing ? this.#lowerUnknown(text) : text
    const spelled = this.language === ROMANIAN ? lowered.replaceAll('\u021b', '\u0163') : lowered
    if (flag(this.#config, 'is_uroman', false) && /[^\0-\x7f]/.test(spelled))
      throw new UserError('this voice reads Latin letters only', {
        code: 'BAD_ARGUMENT',
        remedy: 'romanise the text first, for example with uroman',
      })
    if (!isNormalizing) return spelled
    return [...spelled]
      .filter((character) => this.vocabulary.idOf(character) !== undefined)
      .join('')
      .trim()
  }

  /**
   * Ids, blanks between and around the characters. As in the reference, the pad and unknown tokens are cut out of
   * the text first and the runs between them get their blanks each: a pad character between two runs has id 0, so
   * that differs from plain interspersing only at the ends of the text and where it is doubled.
   */
  encode(text: string): readonly number[] {
    const unknownId = this.vocabulary.idOf(this.#unknown)
    const idOf = (token: string): number => {
      const id = this.vocabulary.idOf(token) ?? unknownId
      if (id === undefined)
        throw new UserError(`"${token}" is not in this voice's alphabet`, {
          code: 'BAD_ARGUMENT',
          remedy: 'leave it out',
        })
      return id
    }
    return this.#splitter.split(this.normalize(text)).flatMap((part) => {
      if (part.isToken) return [idOf(part.text)]
      const ids = Array.from(part.text, idOf)
      return this.#addBlank ? [BLANK_ID, ...ids.flatMap((id) => [id, BLANK_ID])] : ids
    })
  }

  /** Lower-cases what is not spelled in the vocabulary, which may hold capitals and longer tokens. */
  #lowerUnknown(text: string): string {
    const words = [...this.vocabulary.tokens].filter((token) => token !== '')
    let out = ''
    for (let at = 0; at < text.length; ) {
      const word = words.find((token) => text.startsWith(token, at))
      const taken = word ?? String.fromCodePoint(text.codePointAt(at) ?? 0)
      out += word ?? taken.toLowerCase()
      at += taken.length
    }
    return out
  }
}
