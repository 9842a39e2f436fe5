import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { AddedTokenSplitter } from '../../../src/ml/tokenizers/added-tokens.js'
import { fromByteAlphabet, toByteAlphabet } from '../../../src/ml/tokenizers/byte-alphabet.js'
import { ByteBpeTokenizer } from '../../../src/ml/tokenizers/byte-bpe.js'
import { CtcTokenizer } from '../../../src/ml/tokenizers/ctc.js'
import { MBart50Tokenizer } from '../../../src/ml/tokenizers/mbart50.js'
import { VitsTokenizer } from '../../../src/ml/tokenizers/vits.js'
import { refusalOf, temporaryPath } from './files-support.js'

/** A directory with these files; objects are written as JSON. */
function directoryOf(files: Readonly<Record<string, unknown>>): string {
  const directory = temporaryPath('tokenizer')
  mkdirSync(directory)
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(directory, name), typeof content === 'string' ? content : JSON.stringify(content))
  return directory
}

const numbered = (tokens: readonly string[]) => Object.fromEntries(tokens.map((token, id) => [token, id]))
const golden = (name: string) => fileURLToPath(new URL(`../../fixtures/golden/${name}/`, import.meta.url))

describe('added tokens', () => {
  it('earliest first, of equal starts the longest, stripping beside them', () => {
    const splitter = new AddedTokenSplitter([
      { content: '<m>', stripLeft: true },
      { content: 'ab', stripRight: true },
      { content: 'abc' },
    ])
    const parts = splitter
      .split('x  <m> y abcab  z')
      .map(({ text, isToken }) => (isToken ? `[${text}]` : text))
    expect(parts).toEqual(['x', '[<m>]', ' y ', '[abc]', '[ab]', 'z'])
    expect(splitter.split('')).toEqual([])
  })
})

describe('CTC', () => {
  const vocabulary = numbered(['<pad>', '<s>', '</s>', '<unk>', '|', 'A', 'B', 'CH', 'L'])
  const config = { pad_token: '<pad>', do_lower_case: true, word_delimiter_token: '|' }
  const read = (more: object = {}) =>
    CtcTokenizer.read(
      directoryOf({ 'vocab.json': vocabulary, 'tokenizer_config.json': { ...config, ...more } }),
    )

  it('collapses repeats, blanks part doubles, special tokens stay or go', async () => {
    const tokenizer = await read()
    const ids = [0, 8, 8, 0, 8, 4, 4, 1, 5, 0, 0, 6, 4]
    expect(tokenizer.decode(ids)).toBe('ll <s>ab')
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe('ll ab')
    expect(tokenizer.decode([8, 8], { collapse: false })).toBe('ll')
    expect(tokenizer.decode([])).toBe('')
  })

  it('tells the frames of tokens and words', async () => {
    const tokenizer = await read()
    const ids = [0, 5, 5, 0, 6, 4, 0, 8, 0, 8, 8, 0]
    expect(tokenizer.tokens(ids).map(({ token, start, end }) => [token, start, end])).toEqual([
      ['A', 1, 3],
      ['B', 4, 5],
      ['|', 5, 6],
      ['L', 7, 8],
      ['L', 9, 11],
    ])
    expect(tokenizer.words(ids)).toEqual([
      { text: 'ab', start: 1, end: 5 },
      { text: 'll', start: 7, end: 11 },
    ])
  })

  it('encodes labels: case, delimiter, entries of several characters, unknown ones', async () => {
    const tokenizer = await read()
    expect(tokenizer.encode('ab l?')).toEqual([5, 6, 4, 8, 3])
    expect(tokenizer.encode('aCHb')).toEqual([5, 7, 6])
  })

  it('tidies punctuation where the files ask for it', async () => {
    const ids = [5, 4, 9, 4, 6]
    const files = { 'vocab.json': { ...vocabulary, ',': 9 } }
    const plain = await CtcTokenizer.read(directoryOf({ ...files, 'tokenizer_config.json': config }))
    expect(plain.decode(ids)).toBe('a , b')
    const tidy = { ...config, clean_up_tokenization_spaces: true }
    expect(
      (await CtcTokenizer.read(directoryOf({ ...files, 'tokenizer_config.json': tidy }))).decode(ids),
    ).toBe('a, b')
  })

  it('takes tokens that were added after training from either file', async () => {
    const files = { 'vocab.json': { '[PAD]': 2, a: 0, '[UNK]': 1 }, 'added_tokens.json': { '<s>': 3 } }
    const added = {
      pad_token: '[PAD]',
      unk_token: '[UNK]',
      added_tokens_decoder: { 4: { content: '</s>' }, 0: { content: 'a' } },
    }
    const tokenizer = await CtcTokenizer.read(directoryOf({ ...files, 'tokenizer_config.json': added }))
    expect(tokenizer.decode([3, 0, 2, 4, 4, 1])).toBe('<s>a</s>[UNK]')
    expect(tokenizer.vocabulary.size).toBe(5)
  })

  it('MMS: the language must be there', async () => {
    const error = await refusalOf(() => CtcTokenizer.read(golden('03-mms-adapters'), 'xyz'))
    expect(error.line).toMatch(/"xyz".*eng/)
    expect((await CtcTokenizer.read(golden('03-mms-adapters'))).vocabulary.idOf('p')).toBe(23)
    await refusalOf(() => CtcTokenizer.read(golden('03-mms-adapters'), '__proto__'))
  })

  it('phones are written with spaces between them, and come one by one with their frames', async () => {
    const phones = ['<pad>', '<s>', '</s>', '<unk>', 'h', 'ə', 'l', 'oʊ', '|']
    const published = {
      tokenizer_class: 'Wav2Vec2PhonemeCTCTokenizer',
      word_delimiter_token: null,
      phone_delimiter_token: ' ',
      do_phonemize: true,
    }
    const tokenizer = await CtcTokenizer.read(
      directoryOf({ 'vocab.json': numbered(phones), 'tokenizer_config.json': published }),
    )
    const ids = [4, 5, 5, 0, 6, 0, 6, 8, 7, 7]
    expect(tokenizer.decode(ids)).toBe('h ə l l oʊ')
    expect(tokenizer.words(ids)).toEqual([
      { text: 'h', start: 0, end: 1 },
      { text: 'ə', start: 1, end: 3 },
      { text: 'l', start: 4, end: 5 },
      { text: 'l', start: 6, end: 7 },
      { text: 'oʊ', start: 8, end: 10 },
    ])
    expect(tokenizer.encode(' h ə  l oʊ x')).toEqual([4, 5, 6, 7, 3])
  })

  it('only classes whose rules are known are read', async () => {
    const files = (named: unknown, config: unknown = {}) =>
      directoryOf({
        'vocab.json': numbered(['<pad>', '<s>', '</s>', '<unk>', '|', 'a']),
        'tokenizer_config.json': { tokenizer_class: named },
        'config.json': config,
      })
    for (const named of ['Wav2Vec2CTCTokenizer', null, undefined])
      expect((await CtcTokenizer.read(files(named))).decode([5])).toBe('a')
    const unknown = await refusalOf(() => CtcTokenizer.read(files('XLMRobertaTokenizer')))
    expect(unknown.line).toMatch(
      /tokenizer_config.json: names a tokenizer that is not known here: XLMRoberta.*Wav2Vec2CTC/,
    )
    const elsewhere = files(null, { tokenizer_class: 'WhisperTokenizer' })
    expect((await refusalOf(() => CtcTokenizer.read(elsewhere))).line).toMatch(/config.json: .*Whisper/)
    // 25 languages and another order of tokens, in the same files.
    const older = directoryOf({ 'tokenizer_config.json': { tokenizer_class: 'MBartTokenizer' } })
    expect((await refusalOf(() => MBart50Tokenizer.read(older))).line).toMatch(
      /MBartTokenizer.*MBart50Tokenizer/,
    )
    for (const read of [VitsTokenizer.read, ByteBpeTokenizer.read, MBart50Tokenizer.read])
      expect((await refusalOf(() => read(files(['odd'])))).line).toMatch(/not known here: \["odd"\]/)
  })

  it('refuses vocabularies that make no sense', async () => {
    for (const bad of [{ a: 0, b: 0 }, { a: -1 }, { a: 1.5 }, { a: 'x' }, {}, []])
      await refusalOf(() => CtcTokenizer.read(directoryOf({ 'vocab.json': bad })))
    await refusalOf(() => CtcTokenizer.read(directoryOf({ 'vocab.json': '{' })))
    await refusalOf(() => CtcTokenizer.read(directoryOf({})))
    await refusalOf(() => read({ pad_token: 7 }))
    await refusalOf(() => read({ pad_token: 'absent' }))
  })
})

describe('byte-level BPE', () => {
  it('every byte has its character and comes back', () => {
    const text = 'naïve — 日本\u0000\u0085\ufeff🙂\n'
    expect(fromByteAlphabet(toByteAlphabet(text))).toBe(text)
    expect(toByteAlphabet(' \n')).toBe('ĠĊ')
    expect(fromByteAlphabet('Ã')).toBe('\ufffd')
  })

  it('round trip of arbitrary text; the mask takes the space before it', async () => {
    const tokenizer = await ByteBpeTokenizer.read(golden('08-data2vec-text'))
    const text = "I'll pay €9,99 tomorrow\u0085  — 日本 🙂"
    expect(tokenizer.decode(tokenizer.encode(text), { skipSpecial: true })).toBe(text)
    const masked = tokenizer.encode('the <mask>model')
    expect(masked.filter((id) => id === tokenizer.maskId)).toHaveLength(1)
    expect(tokenizer.tokenize('the   <mask>')).toEqual([...tokenizer.tokenize('the'), '<mask>'])
    expect(tokenizer.encode('')).toEqual([tokenizer.beginId, tokenizer.endId])
  })

  it('merges by rank, not from the left', async () => {
    const tokens = ['<s>', '<pad>', '</s>', '<unk>', '<mask>', 'a', 'b', 'c', 'bc', 'ab']
    const files = { 'vocab.json': numbered(tokens), 'merges.txt': '#version: 0.2\nb c\na b\n' }
    const tokenizer = await ByteBpeTokenizer.read(directoryOf(files))
    expect(tokenizer.tokenize('abc')).toEqual(['a', 'bc'])
    expect(tokenizer.tokenize('ab')).toEqual(['ab'])
    await refusalOf(() => ByteBpeTokenizer.read(directoryOf({ ...files, 'merges.txt': 'a b c\n' })))
  })
})

describe('VITS', () => {
  const vocabulary = numbered(['k', 'a', 'b', ' ', 'Ü', 'ţ', '<unk>'])
  const read = (more: object = {}) =>
    VitsTokenizer.read(
      directoryOf({
        'vocab.json': vocabulary,
        'tokenizer_config.json': {
          phonemize: false,
          pad_token: 'k',
          unk_token: '<unk>',
          language: 'eng',
          ...more,
        },
      }),
    )

  it('lower-cases what is not in the vocabulary and drops the rest', async () => {
    const tokenizer = await read()
    expect(tokenizer.normalize(' AbÜü! ')).toBe('abÜ')
    expect(tokenizer.encode('ab')).toEqual([0, 1, 0, 2, 0])
    expect((await read({ add_blank: false })).encode('ab')).toEqual([1, 2])
    expect((await read({ normalize: false })).encode('a!')).toEqual([0, 1, 0, 6, 0])
  })

  it('the pad character inside a text is a blank among blanks, as in the reference', async () => {
    const tokenizer = await read()
    expect(tokenizer.encode('akb')).toEqual([0, 1, 0, 0, 0, 2, 0])
    expect(tokenizer.encode('ka')).toEqual([0, 0, 1, 0])
  })

  it('Romanian letters, romanisation, phonemes', async () => {
    expect((await read({ language: 'ron' })).normalize('aț')).toBe('aţ')
    const uroman = await read({ is_uroman: true })
    expect((await refusalOf(() => uroman.encode('слово'))).line).toContain('romanise')
    expect((await refusalOf(() => read({ phonemize: true }))).code).toBe('UNAVAILABLE')
  })
})

describe('mBART-50', () => {
  const directory = golden('11a-speech-translation-xlsr-mbart')

  it('special tokens in text, round trips, unknown languages', async () => {
    const tokenizer = await MBart50Tokenizer.read(directory)
    expect(tokenizer.encode('die <mask>', 'de_DE')).toEqual([
      tokenizer.languageId('de_DE'),
      tokenizer.idOf('▁die'),
      tokenizer.maskId,
      tokenizer.endId,
    ])
    expect(tokenizer.encode('', 'de_DE')).toEqual([tokenizer.languageId('de_DE'), tokenizer.endId])
    const ids = tokenizer.encode('die  Stimme', 'de_DE')
    expect(tokenizer.decode(ids)).toBe('die Stimme')
    expect(tokenizer.decode(ids, { keepSpecial: true })).toMatch(/^de_DE.*<\/s>$/)
    expect((await refusalOf(() => tokenizer.encode('x', 'xx_XX'))).line).toContain('de_DE')
    expect(tokenizer.decode([999_999])).toBe('')
    expect(tokenizer.encode('\ud800 \u{1f642}', 'de_DE').at(-1)).toBe(tokenizer.endId)
  })

  it('a damaged model file is refused', async () => {
    const model = readFileSync(join(directory, 'sentencepiece.bpe.model'))
    for (const length of [0, 1, 100, model.length - 1]) {
      const path = directoryOf({})
      writeFileSync(join(path, 'sentencepiece.bpe.model'), model.subarray(0, length))
      await refusalOf(() => MBart50Tokenizer.read(path))
    }
  })
})
