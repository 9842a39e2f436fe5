import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readSentencePieceModel } from '../../../src/ml/tokenizers/sentencepiece/model.js'
import { UnigramModel } from '../../../src/ml/tokenizers/sentencepiece/unigram.js'
import { isRefused, mutations, refusalOf, temporaryFile } from './files-support.js'

/** Protobuf by hand: a varint, a length-delimited field, a float. */
const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]
const bytesField = (number: number, bytes: ArrayLike<number>) => [
  ...varint(number * 8 + 2),
  ...varint(bytes.length),
  ...Array.from(bytes),
]
const numberField = (number: number, value: number) => [...varint(number * 8), ...varint(value)]
const floatField = (number: number, value: number) => [
  ...varint(number * 8 + 5),
  ...new Uint8Array(Float32Array.of(value).buffer),
]
const utf8 = (text: string) => new TextEncoder().encode(text)

type Entry = readonly [text: string, score: number, type?: number]
const NORMAL = 1
const UNKNOWN = 2
const USER = 4
const UNUSED = 5
const BYTE = 6

function modelOf(
  entries: readonly Entry[],
  trainer: readonly number[] = [],
  normalizer: readonly number[] = [],
) {
  return Uint8Array.from([
    ...entries.flatMap(([text, score, type = NORMAL]) =>
      bytesField(1, [...bytesField(1, utf8(text)), ...floatField(2, score), ...numberField(3, type)]),
    ),
    ...bytesField(2, trainer),
    ...bytesField(3, normalizer),
  ])
}

const unigram = (...model: Parameters<typeof modelOf>) => UnigramModel.read(temporaryFile(modelOf(...model)))
const texts = (model: UnigramModel, text: string) => model.encode(text).map((piece) => piece.text)

const basic: readonly Entry[] = [
  ['<unk>', 0, UNKNOWN],
  ['▁', -3],
  ['a', -2],
  ['b', -2],
  ['ab', -3],
  ['▁a', -2.5],
]

describe('unigram segmentation', () => {
  it('takes the most probable pieces', async () => {
    const model = await unigram(basic)
    // ▁a + b = -4.5 beats ▁ + ab = -6.
    expect(texts(model, 'ab')).toEqual(['▁a', 'b'])
    expect(texts(model, 'ab ab')).toEqual(['▁a', 'b', '▁a', 'b'])
  })

  it('joins runs of unknown characters, not across known ones', async () => {
    const model = await unigram(basic)
    expect(texts(model, 'xyazz')).toEqual(['▁', 'xy', 'a', 'zz'])
    expect(model.encode('x🙂')[1]).toEqual({ text: 'x🙂', id: 0 })
  })

  it('user-defined pieces win, unused ones never', async () => {
    // A user piece scores its bytes times the best score (here -1), less 0.1.
    const model = await unigram([...basic, ['q', -1], ['aba', -50, USER], ['ba', -0.1, UNUSED]])
    expect(texts(model, 'baba')).toEqual(['▁', 'b', 'aba'])
  })

  it('falls back to bytes where the model says so, and decodes them', async () => {
    const bytes: Entry[] = Array.from({ length: 256 }, (_, byte) => [
      `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
      0,
      BYTE,
    ])
    const model = await unigram([...basic, ...bytes], numberField(35, 1))
    expect(texts(model, 'aé')).toEqual(['▁a', '<0xC3>', '<0xA9>'])
    expect(model.decode(texts(model, 'aé b'))).toBe('aé b')
  })
})

describe('equal to the reference program', () => {
  const fixture = (name: string) =>
    fileURLToPath(new URL(`../../fixtures/sentencepiece/${name}`, import.meta.url))
  it('ids and text of 120 strings under a trained model with byte fallback', async () => {
    const { rows } = JSON.parse(readFileSync(fixture('byte-fallback.json'), 'utf8')) as {
      rows: { text: string; ids: number[]; decoded: string }[]
    }
    const model = await UnigramModel.read(fixture('byte-fallback.model'))
    expect(rows.length).toBeGreaterThan(100)
    for (const { text, ids, decoded } of rows) {
      const pieces = model.encode(text)
      expect(pieces.map(({ id }) => id)).toEqual(ids)
      expect(model.decode(pieces.map((piece) => piece.text))).toBe(decoded)
    }
  })
})

describe('normalisation', () => {
  it('white space: collapsed and trimmed by default, kept where the model says', async () => {
    const collapsing = await unigram(basic)
    expect(texts(collapsing, '  a   b ').join('')).toBe('▁a▁b')
    expect(collapsing.encode('   ')).toEqual([])
    const keeping = await unigram(basic, [], [...numberField(4, 0), ...numberField(3, 0)])
    expect(texts(keeping, ' a  b ').join('')).toBe('▁a▁▁b▁')
    expect(keeping.decode(texts(keeping, ' a  b '))).toBe(' a  b ')
  })

  it('white space as a suffix', async () => {
    const model = await unigram(basic, numberField(24, 1))
    expect(texts(model, 'a b').join('')).toBe('a▁b▁')
    expect(model.decode(texts(model, 'a b'))).toBe('a b ')
  })
})

describe('model files', () => {
  it('refuses other model types, doubled and empty pieces, none unknown', async () => {
    const open =
      (...model: Parameters<typeof modelOf>) =>
      () =>
        unigram(...model)
    expect((await refusalOf(open(basic, numberField(3, 2)))).message).toContain('unigram')
    expect((await refusalOf(open([...basic, ['a', 0]]))).message).toContain('twice')
    expect((await refusalOf(open([...basic, ['', 0]]))).message).toContain('empty')
    expect((await refusalOf(open(basic.slice(1)))).message).toContain('unknown piece')
  })

  it('never fails otherwise than by a refusal (fuzz)', async () => {
    const charsMap = bytesField(2, [4, 0, 0, 0, 0, 4, 0, 0, 65, 0])
    let refused = 0
    for (const bytes of mutations(modelOf(basic, numberField(35, 1), charsMap), 300, 7)) {
      const attempt = async () => {
        const model = new UnigramModel(await readSentencePieceModel(temporaryFile(bytes)))
        model.encode('ab é')
      }
      if (await isRefused(attempt)) refused++
    }
    expect(refused).toBeGreaterThan(50)
  })
})
