/** Cases 11: speech encoder, length adapter or projection, mBART decoder; greedy and beam search; the tokenizer. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TensorValue } from '../../src/ml/session/session.js'
import { MBart50Tokenizer } from '../../src/ml/tokenizers/mbart50.js'
import {
  type EncodedBatch,
  type GenerationConfig,
  SpeechTranslator,
} from '../../src/models/speech-translation/index.js'
import { logSoftmax } from '../../src/models/speech-translation/search.js'
import { type GoldenCase, goldenCases } from './harness.js'
import { soundsOf } from './speech-support.js'

/** Rows of an int64 [rows, columns] tensor. */
function rowsOf(golden: GoldenCase, name: string): readonly (readonly number[])[] {
  const [rows = 0, columns = 0] = golden.tensor(name).shape
  const all = golden.integers(name)
  return Array.from({ length: rows }, (_, row) => all.slice(row * columns, (row + 1) * columns))
}

/** The first `steps` steps of a row of [rows, steps, width]. */
function part({ shape, data }: TensorValue, row: number, steps: number): Float32Array {
  const [, all = 0, width = 0] = shape
  return (data as Float32Array).subarray(row * all * width, (row * all + steps) * width)
}

const padded = (tokens: readonly number[], length: number, pad: number): readonly number[] =>
  Array.from({ length }, (_, i) => tokens[i] ?? pad)

/** Tokens that a row begins with; the rest must be padding. */
function realTokens(mask: readonly number[]): number {
  const count = mask.lastIndexOf(1) + 1
  expect(mask.slice(0, count).every((bit) => bit === 1)).toBe(true)
  return count
}

/** The likeliest token each time and nothing else. */
const PLAIN = {
  forcedFirstToken: undefined,
  forcedLastToken: undefined,
  noRepeatNgram: 0,
  repetitionPenalty: 1,
  minLength: 0,
  suppressedTokens: [],
}

const describedIn = (golden: GoldenCase, name: string): string =>
  (golden.about.tensors as Record<string, { what?: string }>)[name]?.what ?? ''

/** The limit that generation ran under: stated in words; all rows may have ended before it. */
function maxLengthOf(golden: GoldenCase): number {
  const stated = /max_length[ =](\d+)/.exec(describedIn(golden, 'generated'))?.[1]
  return stated === undefined ? (golden.tensor('generated').shape[1] ?? 0) : Number(stated)
}

/** The options of a beam search that case.json states in words, such as "length_penalty 1, early_stopping False". */
function statedIn(golden: GoldenCase, name: string): Partial<GenerationConfig> {
  const what = describedIn(golden, name)
  const penalty = /length_penalty (-?[0-9.]+\d|\d)/.exec(what)?.[1]
  const early = /early_stopping (True|False|never)/.exec(what)?.[1]
  return {
    ...(penalty === undefined ? {} : { lengthPenalty: Number(penalty) }),
    ...(early === undefined ? {} : { earlyStopping: early === 'never' ? early : early === 'True' }),
  }
}

/** Where a projection follows the encoder, the cases hold what comes out of it. */
function ofWidth(golden: GoldenCase, { encoded, memory }: EncodedBatch): TensorValue {
  const width = golden.tensor('batch.encoder_last_hidden_state').shape.at(-1)
  return encoded.shape.at(-1) === width ? encoded : memory
}

for (const golden of goldenCases('11'))
  describe(`golden ${golden.name}`, () => {
    let model: SpeechTranslator
    let batch: EncodedBatch
    beforeAll(async () => {
      model = await SpeechTranslator.open(golden.folder, { hiddenStates: true })
      const lengths = golden.integers('batch.input_lengths')
      batch = await model.encode(soundsOf(golden, 'batch.input_values', lengths))
    })
    afterAll(async () => {
      await model?.close()
      golden.report()
    })

    it('the encoder, of a padded batch and of one recording', async () => {
      expect(batch.frames).toEqual(golden.integers('batch.encoder_frame_lengths'))
      golden.expectFrames('batch.encoder_last_hidden_state', ofWidth(golden, batch), batch.frames)
      const [samples = 0] = golden.integers('batch.input_lengths')
      const values = golden.floats('batch.input_values').subarray(0, samples)
      const single = await model.encode({ values, rows: 1, samples })
      golden.expectTensor('single.encoder_last_hidden_state', ofWidth(golden, single))
      const [recording] = single.recordings
      const [tokens = []] = rowsOf(golden, 'decoder_input_ids')
      if (recording === undefined) throw new Error('no recording')
      golden.expectTensor('single.decoder_logits', (await model.decode(recording, tokens)).logits)
    })

    it('the decoder: hidden states and logits', async () => {
      const masks = rowsOf(golden, 'decoder_attention_mask')
      const states = golden.tensorNames.filter((name) => name.startsWith('batch.decoder_hidden_states.'))
      expect(states).toHaveLength(model.config.decoder.blocks + 1)
      for (const [row, tokens] of rowsOf(golden, 'decoder_input_ids').entries()) {
        const count = realTokens(masks[row] ?? [])
        const recording = batch.recordings[row]
        if (recording === undefined) throw new Error('no recording')
        const outputs = await model.decode(recording, tokens)
        for (const name of ['batch.decoder_logits', ...states]) {
          const mine = outputs[name.endsWith('logits') ? 'logits' : `hidden.${name.split('.').at(-1)}`]
          if (mine === undefined) throw new Error(`no ${name}`)
          golden.expectClose(
            `${name} row ${row}`,
            part(mine, 0, count),
            part(golden.tensor(name), row, count),
          )
        }
      }
    })

    it('labels: logits of the shifted ids, and the loss', async () => {
      const { startToken, padToken } = model.generation
      let total = 0
      let count = 0
      for (const [row, labels] of rowsOf(golden, 'labels').entries()) {
        const shifted = [startToken, ...labels.slice(0, -1).map((id) => (id < 0 ? padToken : id))]
        const recording = batch.recordings[row]
        if (recording === undefined) throw new Error('no recording')
        const { logits } = await model.decode(recording, shifted)
        if (logits === undefined) throw new Error('no logits')
        const real = labels.filter((id) => id >= 0).length
        golden.expectClose(
          `labels_logits row ${row}`,
          part(logits, 0, real),
          part(golden.tensor('labels_logits'), row, real),
        )
        for (const [step, label] of labels.entries()) {
          if (label < 0) continue
          const width = model.config.decoder.vocabulary
          const scores = (logits.data as Float32Array).subarray(step * width, (step + 1) * width)
          total -= logSoftmax(scores)[label] ?? Number.NaN
          count++
        }
      }
      golden.expectClose('loss', [total / count], golden.floats('loss'))
    })

    it('greedy and beam search, with and without a forced end', async () => {
      const { padToken } = model.generation
      const rowOf = (name: string, row: number): readonly number[] =>
        padded(rowsOf(golden, name)[row] ?? [], maxLength, padToken)
      const maxLength = maxLengthOf(golden)
      const beamName = golden.tensorNames.find((name) => /^generated_beam\d+$/.test(name))
      const beams = Number(/\d+$/.exec(beamName ?? '')?.[0])
      for (const [row, recording] of batch.recordings.entries()) {
        const greedy = await model.generate(recording, { maxLength, beams: 1 })
        expect(padded(greedy.tokens, maxLength, padToken)).toEqual(rowOf('generated', row))
        const plain = await model.generate(recording, { ...PLAIN, maxLength, beams: 1 })
        expect(padded(plain.tokens, maxLength, padToken)).toEqual(rowOf('greedy_plain', row))
        if (beamName === undefined) continue
        const found = await model.generate(recording, { ...statedIn(golden, beamName), maxLength, beams })
        expect(padded(found.tokens, maxLength, padToken)).toEqual(rowOf(beamName, row))
        golden.expectClose(
          `${beamName} row ${row}`,
          [found.score],
          [golden.floats(`${beamName}_scores`)[row] ?? 0],
        )
      }
    })

    it('text', async () => {
      const { generated_text: texts } = golden.about as { generated_text?: readonly string[] }
      if (!golden.has('sentencepiece.bpe.model') || texts === undefined) return
      const tokenizer = await MBart50Tokenizer.read(golden.folder)
      expect(rowsOf(golden, 'generated').map((ids) => tokenizer.decode(ids))).toEqual(texts)
    })
  })
