/**
 * The tokenizer of mBART-50 (`MBart50Tokenizer`): a SentencePiece unigram model whose ids are moved by one for
 * fairseq's `<s> <pad> </s> <unk>`, then 52 language codes, then `<mask>`. Sequences: `[language] text </s>`.
 */

import { join } from 'node:path'
import { UserError } from '../../errors.js'
import { AddedTokenSplitter } from './added-tokens.js'
import { cleanUpSpaces } from './clean-up.js'
import { checkedTokenizerClass, flag, readTokenizerConfig, type TokenizerConfig } from './config.js'
import { UnigramModel } from './sentencepiece/unigram.js'

/** In the order of the ids (Tang et al. 2020, arXiv:2008.00401, table 1 order of fairseq's ML50 list). */
export const MBART50_LANGUAGES: readonly string[] = (
  'ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT lv_LV my_MM ne_NP ' +
  'nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID ka_GE km_KH mk_MK ml_IN ' +
  'mn_MN mr_IN pl_PL ps_AF pt_XX sv_SE sw_KE ta_IN te_IN th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI'
).split(' ')

const BEGIN = '<s>'
const PAD = '<pad>'
const END = '</s>'
const UNKNOWN = '<unk>'
const MASK = '<mask>'
const FAIRSEQ_TOKENS: readonly string[] = [BEGIN, PAD, END, UNKNOWN]
const UNKNOWN_ID = 3
/** fairseq has one token more in front than SentencePiece: `<pad>`. */
const OFFSET = 1

export class MBart50Tokenizer {
  readonly endId = 2
  readonly padId = 1
  readonly maskId: number
  /** Number of ids. */
  readonly size: number
  readonly sourceLanguage: string
  readonly targetLanguage: string | undefined
  readonly #unigram: UnigramModel
  readonly #special: ReadonlyMap<string, number>
  readonly #specialById: ReadonlyMap<number, string>
  readonly #splitter: AddedTokenSplitter
  readonly #cleanUp: boolean

  private constructor(config: TokenizerConfig, unigram: UnigramModel) {
    this.#unigram = unigram
    const first = unigram.model.pieces.length + OFFSET
    this.maskId = first + MBART50_LANGUAGES.length
    this.size = this.maskId + 1
    const special = [
      ...FAIRSEQ_TOKENS.map((token, id) => [token, id] as const),
      ...MBART50_LANGUAGES.map((code, i) => [code, first + i] as const),
      [MASK, this.maskId] as const,
    ]
    this.#special = new Map(special)
    this.#specialById = new Map(special.map(([token, id]) => [id, token]))
    this.#splitter = new AddedTokenSplitter(
      special.map(([content]) => ({ content, stripLeft: content === MASK })),
    )
    const { src_lang: source, tgt_lang: target } = config.fields
    this.sourceLanguage = typeof source === 'string' ? source : 'en_XX'
    this.targetLanguage = typeof target === 'string' ? target : undefined
    this.#cleanUp = flag(config, 'clean_up_tokenization_spaces', false)
  }

  /** @throws UserError for missing or malformed files */
  static async read(directory: string): Promise<MBart50Tokenizer> {
    const config = await readTokenizerConfig(directory)
    await checkedTokenizerClass(config, ['MBart50Tokenizer'])
    return new MBart50Tokenizer(config, await UnigramModel.read(join(directory, 'sentencepiece.bpe.model')))
  }

  /** Id of a language code such as `de_DE`. @throws UserError for others than the 52 */
  languageId(code: string): number {
    const id = MBART50_LANGUAGES.includes(code) ? this.#special.get(code) : undefined
    if (id === undefined)
      throw new UserError(`mBART-50 has no language "${code}"`, {
        code: 'BAD_ARGUMENT',
        remedy: `choose one of ${MBART50_LANGUAGES.join(', ')}`,
      })
    return id
  }

  /** Pieces as text, without language and end. */
  tokenize(text: string): readonly string[] {
    return this.#splitter
      .split(text)
      .flatMap((part) =>
        part.isToken ? [part.text] : this.#unigram.encode(part.text).map((piece) => piece.text),
      )
  }

  /** `[language] text </s>`; the source language of the configuration by default. */
  encode(text: string, language = this.sourceLanguage): readonly number[] {
    return [this.languageId(language), ...this.tokenize(text).map((token) => this.idOf(token)), this.endId]
  }

  idOf(token: string): number {
    const special = this.#special.get(token)
    if (special !== undefined) return special
    const id = this.#unigram.idOf(token) ?? this.#unigram.model.unknownId
    return id === this.#unigram.model.unknownId ? UNKNOWN_ID : id + OFFSET
  }

  /** Text of ids; special tokens, `<unk>` among them, are left out unless `keepSpecial`. */
  decode(ids: Iterable<number>, options: { readonly keepSpecial?: boolean } = {}): string {
    let out = ''
    let pieces: string[] = []
    let isAfterSpecial = false
    for (const id of ids) {
      const special = this.#specialById.get(id)
      if (special === undefined) {
        pieces.push(this.#unigram.model.pieces[id - OFFSET]?.text ?? '')
        isAfterSpecial = false
      } else if (options.keepSpecial === true) {
        out += (isAfterSpecial ? '' : ' ') + this.#unigram.decode(pieces) + special
        pieces = []
        isAfterSpecial = true
      }
    }
    const text = (out + this.#unigram.decode(pieces)).trim()
    return this.#cleanUp ? cleanUpSpaces(text) : text
  }
}
