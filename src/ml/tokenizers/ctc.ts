/**
 * The character tokenizer of wav2vec 2.0, HuBERT, XLS-R and MMS recognisers (`Wav2Vec2CTCTokenizer`). The blank of
 * CTC is the pad token; MMS keeps a vocabulary per language: `{language: {token: id}}`. Recognisers of phones
 * (`Wav2Vec2PhonemeCTCTokenizer`) have phones for tokens: they are written with spaces between them, and there are no
 * words.
 */

import { join } from 'node:path'
import { UserError } from '../../errors.js'
import { readJsonObject } from '../files/read-json.js'
import { AddedTokenSplitter } from './added-tokens.js'
import { cleanUpSpaces } from './clean-up.js'
import {
  checkedTokenizerClass,
  flag,
  readTokenizerConfig,
  type TokenizerConfig,
  tokenText,
  Vocabulary,
} from './config.js'

export interface CtcToken {
  readonly id: number
  readonly token: string
  /** Frames: first, and one past the last, of the run that gave the token. */
  readonly start: number
  readonly end: number
}

export interface CtcWord {
  readonly text: string
  readonly start: number
  readonly end: number
}

export interface CtcDecodeOptions {
  /** Join equal neighbours, as greedy CTC output needs it (default); false for labels. */
  readonly collapse?: boolean
  /** Leave `<s>`, `</s>` and `<unk>` out (default: they stay as text). */
  readonly skipSpecial?: boolean
}

const CHARACTERS = ['Wav2Vec2CTCTokenizer', 'Wav2Vec2Tokenizer'] as const
const PHONES = 'Wav2Vec2PhonemeCTCTokenizer'

/** Enough to recognise one's language in a message; MMS has over a thousand. */
const SHOWN_LANGUAGES = 8

export class CtcTokenizer {
  readonly vocabulary: Vocabulary
  /** Which of the vocabularies of an MMS model this is; undefined where there is one for all. */
  readonly language: string | undefined
  /** The CTC blank. */
  readonly blankId: number
  /** Tokens are phones, not characters. */
  readonly isPhonetic: boolean
  readonly #config: TokenizerConfig
  readonly #pad: string
  readonly #unknown: string
  readonly #delimiter: string
  /** What the delimiter becomes in text. */
  readonly #space: string
  readonly #special: ReadonlySet<string>
  readonly #splitter: AddedTokenSplitter

  private constructor(
    config: TokenizerConfig,
    vocabulary: Vocabulary,
    kind: { readonly isPhonetic: boolean; readonly language?: string },
  ) {
    this.vocabulary = vocabulary
    this.language = kind.language
    this.isPhonetic = kind.isPhonetic
    this.#config = config
    this.#pad = tokenText(config, 'pad_token', '<pad>')
    this.#unknown = tokenText(config, 'unk_token', '<unk>')
    this.#delimiter = tokenText(config, 'word_delimiter_token', '|')
    this.#space = tokenText(config, 'replace_word_delimiter_char', ' ')
    this.#special = new Set([
      tokenText(config, 'bos_token', '<s>'),
      tokenText(config, 'eos_token', '</s>'),
      this.#unknown,
      this.#pad,
    ])
    const blankId = vocabulary.idOf(this.#pad)
    if (blankId === undefined)
      throw new UserError(`the vocabulary in ${config.directory} lacks its blank "${this.#pad}"`, {
        code: 'BAD_ARGUMENT',
        remedy: 'fetch vocab.json and tokenizer_config.json again',
      })
    this.blankId = blankId
    const long = [...vocabulary.tokens].filter((token) => [...token].length > 1)
    const specials = [...this.#special].map((content) => ({ content }))
    const added = long.map((content) => ({ content, stripLeft: true, stripRight: true }))
    this.#splitter = new AddedTokenSplitter([...added, ...specials])
  }

  /**
   * @param language which of an MMS vocabulary; default the configuration's `target_lang`
   * @throws UserError for missing or malformed files, or a language that is not there
   */
  static async read(directory: string, language?: string): Promise<CtcTokenizer> {
    const config = await readTokenizerConfig(directory)
    const isPhonetic = (await checkedTokenizerClass(config, [...CHARACTERS, PHONES])) === PHONES
    const path = join(directory, 'vocab.json')
    const json = await readJsonObject(path)
    if (!isNested(json)) return new CtcTokenizer(config, await Vocabulary.read(config), { isPhonetic })
    const wanted = language ?? config.fields.target_lang
    if (wanted === undefined || wanted === null)
      throw new UserError(
        `${directory} has a vocabulary a language, and tokenizer_config.json names no target_lang`,
        {
          code: 'BAD_ARGUMENT',
          remedy: `name the language: ${listed(Object.keys(json))}`,
        },
      )
    const entries = typeof wanted === 'string' && Object.hasOwn(json, wanted) ? json[wanted] : undefined
    if (typeof wanted !== 'string' || typeof entries !== 'object' || entries === null)
      throw new UserError(
        `${directory} has no vocabulary for the language "${typeof wanted === 'string' ? wanted : ''}"`,
        {
          code: 'NOT_FOUND',
          remedy: `choose one of ${listed(Object.keys(json))}`,
        },
      )
    return new CtcTokenizer(config, new Vocabulary(path, Object.entries(entries)), {
      isPhonetic,
      language: wanted,
    })
  }

  /** The languages of an MMS vocabulary; empty for a plain one. */
  static async languages(directory: string): Promise<readonly string[]> {
    const json = await readJsonObject(join(directory, 'vocab.json'))
    return isNested(json) ? Object.keys(json) : []
  }

  /** The language that the configuration names, where the vocabulary has it. */
  static async ownLanguage(directory: string): Promise<string | undefined> {
    const { target_lang: named } = (await readTokenizerConfig(directory)).fields
    const languages = await CtcTokenizer.languages(directory)
    return languages.find((language) => language === named)
  }

  /**
   * Labels for CTC training: characters, spaces as the word delimiter, unknown ones as `<unk>`; of phones, those that
   * spaces part.
   */
  encode(text: string): readonly number[] {
    return (this.isPhonetic ? phonesOf(text) : this.#charactersOf(text)).map((token) => {
      const id = this.vocabulary.idOf(token) ?? this.vocabulary.idOf(this.#unknown)
      if (id === undefined)
        throw new UserError(`"${token}" is not in the vocabulary`, {
          code: 'BAD_ARGUMENT',
          remedy: 'leave it out; this vocabulary has no unknown token',
        })
      return id
    })
  }

  #charactersOf(text: string): readonly string[] {
    const upper = flag(this.#config, 'do_lower_case', false)
    return this.#splitter.split(text).flatMap((part) => {
      const folded = upper ? part.text.toUpperCase() : part.text
      return part.isToken ? [part.text] : [...folded.replaceAll(' ', this.#delimiter)]
    })
  }

  /** Text of greedy CTC output (an id a frame), or of labels with `collapse: false`. */
  decode(ids: Iterable<number>, options: CtcDecodeOptions = {}): string {
    const found = this.tokens(ids, options)
    const text = this.isPhonetic
      ? this.#phones(found)
          .map(({ token }) => token)
          .join(' ')
      : found
          .map(({ token }) => (token === this.#delimiter ? this.#space : token))
          .join('')
          .trim()
    const lowered = flag(this.#config, 'do_lower_case', false) ? text.toLowerCase() : text
    return flag(this.#config, 'clean_up_tokenization_spaces', false) ? cleanUpSpaces(lowered) : lowered
  }

  /** The tokens behind the text with their frames, blanks left out. */
  tokens(
    ids: Iterable<number>,
    { collapse = true, skipSpecial = false }: CtcDecodeOptions = {},
  ): readonly CtcToken[] {
    const runs: CtcToken[] = []
    let frame = 0
    for (const id of ids) {
      const token = this.vocabulary.tokenOf(id) ?? this.#unknown
      const last = runs.at(-1)
      if (collapse && last?.token === token) runs[runs.length - 1] = { ...last, end: frame + 1 }
      else runs.push({ id, token, start: frame, end: frame + 1 })
      frame++
    }
    return runs.filter(({ token }) => token !== this.#pad && !(skipSpecial && this.#special.has(token)))
  }

  /** Phones that are written: a delimiter of words, where there is one, is left out. */
  #phones(tokens: readonly CtcToken[]): readonly CtcToken[] {
    return tokens.filter(({ token }) => token !== this.#delimiter)
  }

  /** Words (of phones: each by itself) with their frames; multiply by the encoder's stride for time. */
  words(ids: Iterable<number>, options: CtcDecodeOptions = {}): readonly CtcWord[] {
    if (this.isPhonetic)
      return this.#phones(this.tokens(ids, options)).map(({ token, start, end }) => ({
        text: token,
        start,
        end,
      }))
    const words: CtcWord[] = []
    let open: CtcWord | undefined
    for (const { token, start, end } of this.tokens(ids, options)) {
      if (token === this.#delimiter) {
        if (open !== undefined) words.push(open)
        open = undefined
      } else open = { text: (open?.text ?? '') + token, start: open?.start ?? start, end }
    }
    if (open !== undefined) words.push(open)
    const lower = flag(this.#config, 'do_lower_case', false)
    return lower ? words.map((word) => ({ ...word, text: word.text.toLowerCase() })) : words
  }
}

const phonesOf = (text: string): readonly string[] => text.split(' ').filter((phone) => phone !== '')

function isNested(json: Readonly<Record<string, unknown>>): boolean {
  const values = Object.values(json)
  return values.length > 0 && values.every((value) => typeof value === 'object' && value !== null)
}

function listed(languages: readonly string[]): string {
  const shown = languages.slice(0, SHOWN_LANGUAGES).join(', ')
  return languages.length > SHOWN_LANGUAGES ? `${shown} ... (${languages.length} languages)` : shown
}
