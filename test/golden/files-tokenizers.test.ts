/** The tokenizer parts of the model cases: text to ids and back as the reference does. */

import { describe, expect, it } from 'vitest'
import { ByteBpeTokenizer } from '../../src/ml/tokenizers/byte-bpe.js'
import { CtcTokenizer } from '../../src/ml/tokenizers/ctc.js'
import { MBart50Tokenizer } from '../../src/ml/tokenizers/mbart50.js'
import { VitsTokenizer } from '../../src/ml/tokenizers/vits.js'
import { caseJson, casesWith, inCase, withTensors } from './files-support.js'

const numbers = (ids: Iterable<bigint>): number[] => Array.from(ids, Number)

/** Cases by the tokenizer class that their configuration names. */
async function casesOf(tokenizer: string): Promise<readonly string[]> {
  const { readJsonObject } = await import('../../src/ml/files/read-json.js')
  const named: string[] = []
  for (const name of casesWith('case.json', 'tokenizer_config.json')) {
    const config = await readJsonObject(inCase(name, 'tokenizer_config.json'))
    if (config.tokenizer_class === tokenizer) named.push(name)
  }
  if (process.env.GOLDEN_DIR === undefined) expect(named.length).toBeGreaterThan(0)
  return named
}

describe('CTC', () => {
  it('greedy text and collapsed ids of every case with one vocabulary', async () => {
    let checked = 0
    for (const name of await casesOf('Wav2Vec2CTCTokenizer')) {
      if ((await CtcTokenizer.languages(inCase(name))).length > 0) continue
      const expected = caseJson(name) as {
        expected_text?: { single: string; batch: string[] }
        collapsed_ids_single?: number[]
      }
      const tokenizer = await CtcTokenizer.read(inCase(name))
      await withTensors(inCase(name, 'io.safetensors'), async (io) => {
        if (!io.tensors.has('single.argmax')) return
        const ids = numbers(await io.readInt64('single.argmax'))
        expect(tokenizer.decode(ids), name).toBe(expected.expected_text?.single)
        if (expected.collapsed_ids_single !== undefined)
          expect(tokenizer.tokens(ids).map(({ id }) => id)).toEqual(expected.collapsed_ids_single)
        checked++
      })
    }
    if (process.env.GOLDEN_DIR === undefined) expect(checked).toBeGreaterThan(0)
  })

  it('MMS: a vocabulary a language', async () => {
    let checked = 0
    for (const name of await casesOf('Wav2Vec2CTCTokenizer')) {
      const languages = await CtcTokenizer.languages(inCase(name))
      if (languages.length === 0) continue
      const expected = caseJson(name) as {
        languages: string[]
        vocab_sizes: Record<string, number>
        expected_text: Record<string, { single: string }>
      }
      expect(languages.toSorted()).toEqual(expected.languages.toSorted())
      await withTensors(inCase(name, 'io.safetensors'), async (io) => {
        for (const language of languages) {
          const tokenizer = await CtcTokenizer.read(inCase(name), language)
          expect(tokenizer.vocabulary.size).toBe(expected.vocab_sizes[language])
          const argmax = [...io.tensors.keys()].find(
            (key) => key.includes(language) && key.includes('single') && key.endsWith('argmax'),
          )
          const logits = [...io.tensors.keys()].find(
            (key) => key.includes(language) && key.includes('single') && key.endsWith('logits'),
          )
          const ids = argmax === undefined ? undefined : numbers(await io.readInt64(argmax))
          const rows = logits === undefined ? undefined : await io.readFloat32(logits)
          const frames = ids ?? (rows === undefined ? [] : argmaxRows(rows, tokenizer.vocabulary.size))
          expect(frames.length).toBeGreaterThan(0)
          expect(tokenizer.decode(frames)).toBe(expected.expected_text[language]?.single)
          checked++
        }
      })
    }
    if (process.env.GOLDEN_DIR === undefined) expect(checked).toBeGreaterThan(0)
  })
})

function argmaxRows(values: Float32Array, width: number): number[] {
  return Array.from({ length: values.length / width }, (_, row) => {
    const logits = values.subarray(row * width, (row + 1) * width)
    return logits.indexOf(logits.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY))
  })
}

describe('byte-level BPE', () => {
  it('pieces, ids, pairs and text', async () => {
    for (const name of await casesOf('RobertaTokenizer')) {
      const expected = caseJson(name) as {
        texts: string[]
        tokens: string[][]
        input_ids: number[][]
        decoded: string[]
        pair_input_ids: number[]
      }
      const tokenizer = await ByteBpeTokenizer.read(inCase(name))
      expect(expected.texts.length).toBeGreaterThan(0)
      expected.texts.forEach((text, i) => {
        expect(tokenizer.tokenize(text)).toEqual(expected.tokens[i])
        expect(tokenizer.encode(text)).toEqual(expected.input_ids[i])
        expect(tokenizer.decode(expected.input_ids[i] ?? [])).toBe(expected.decoded[i])
      })
      const [first, second] = expected.texts
      expect(tokenizer.encode(first ?? '', second)).toEqual(expected.pair_input_ids)
    }
  })
})

describe('VITS', () => {
  it('ids with blanks', async () => {
    for (const name of await casesOf('VitsTokenizer')) {
      const expected = caseJson(name) as { text: string; text_batch_row1?: string; input_ids_row1?: number[] }
      const tokenizer = await VitsTokenizer.read(inCase(name))
      const ids = await withTensors(inCase(name, 'io.safetensors'), (io) => io.readInt64('input_ids'))
      expect(tokenizer.encode(expected.text)).toEqual(numbers(ids))
      if (expected.text_batch_row1 !== undefined)
        expect(tokenizer.encode(expected.text_batch_row1)).toEqual(expected.input_ids_row1)
    }
  })
})

describe('mBART-50', () => {
  it('pieces, ids, language codes and text', async () => {
    for (const name of await casesOf('MBart50Tokenizer')) {
      const { tokenizer: expected, generated_text: generated } = caseJson(name) as {
        tokenizer: {
          length: number
          texts: string[]
          pieces: string[][]
          src_lang: string
          input_ids: number[][]
          decoded: string[]
          lang_ids: Record<string, number>
          mask_id: number
        }
        generated_text?: string[]
      }
      const tokenizer = await MBart50Tokenizer.read(inCase(name))
      expect(tokenizer.size).toBe(expected.length)
      expect(tokenizer.maskId).toBe(expected.mask_id)
      for (const [code, id] of Object.entries(expected.lang_ids)) expect(tokenizer.languageId(code)).toBe(id)
      expect(expected.texts.length).toBeGreaterThan(0)
      expected.texts.forEach((text, i) => {
        expect(tokenizer.tokenize(text)).toEqual(expected.pieces[i])
        expect(tokenizer.encode(text, expected.src_lang)).toEqual(expected.input_ids[i])
        expect(tokenizer.decode(expected.input_ids[i] ?? [])).toBe(expected.decoded[i])
      })
      if (generated === undefined) continue
      await withTensors(inCase(name, 'io.safetensors'), async (io) => {
        const width = io.tensors.get('generated')?.shape[1] ?? 0
        const ids = numbers(await io.readInt64('generated'))
        generated.forEach((text, row) => {
          expect(tokenizer.decode(ids.slice(row * width, (row + 1) * width))).toBe(text)
        })
      })
    }
  })
})
