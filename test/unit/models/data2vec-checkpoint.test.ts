/** data2vec directories as they are found in the wild, and those that do not hold together. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  relativePositionIndex,
  relativePositionRows,
} from '../../../src/models/data2vec/relative-position.js'
import { TextModel } from '../../../src/models/data2vec/text-model.js'
import { VisionModel } from '../../../src/models/data2vec/vision-model.js'
import { goldenCases } from '../../golden/harness.js'
import { refusalOf } from '../ml/files-support.js'
import { type Change, copyCase, firstCase, floatTensor, without } from './checkpoint-copies.js'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-test-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** The message with which a changed copy is refused, having passed for one line. */
async function refusal(number: string, change: Change, open: (folder: string) => Promise<unknown>) {
  await copyCase(firstCase(number), directory, change)
  return (await refusalOf(() => open(directory))).line
}

describe('a text model', () => {
  const golden = firstCase('08')
  const openText = (folder: string) => TextModel.open(folder)

  async function expectOutputs(change: Change, task?: 'encoder'): Promise<void> {
    await copyCase(golden, directory, change)
    const model = await TextModel.open(directory, task === undefined ? {} : { task })
    const results = await model.run(model.prepare([golden.integers('text0.input_ids')]))
    await model.close()
    golden.expectTensor('text0.last_hidden_state', results.last)
    if (model.task === 'masked-lm') golden.expectTensor('text0.logits', results.logits)
    else if (model.task === 'encoder') expect(results.logits).toBeUndefined()
  }

  it('loads with the copies that tied weights leave, and counters of older versions', async () => {
    const { vocab_size: size, hidden_size: width } = golden.config as Record<string, number>
    const ids = { name: 'data2vec_text.embeddings.position_ids', dtype: 'I64' as const, shape: [1] }
    await expectOutputs({
      tensors: (tensors) => [
        ...tensors,
        floatTensor('lm_head.decoder.weight', [size ?? 0, width ?? 0], 9),
        floatTensor('lm_head.decoder.bias', [size ?? 0], 9),
        { ...ids, data: new Uint8Array(8) },
      ],
    })
  })

  it('loads an encoder that was saved alone, with a pooler or without', async () => {
    const { hidden_size: width = 0 } = golden.config as Record<string, number>
    const config = { architectures: ['Data2VecTextModel'] }
    const alone = (tensors: Parameters<NonNullable<Change['tensors']>>[0]) =>
      without('data2vec_text.')(tensors.filter(({ name }) => !name.startsWith('lm_head')))
    await expectOutputs({ config, tensors: alone })
    await expectOutputs({
      config,
      tensors: (tensors) => [...alone(tensors), floatTensor('pooler.dense.weight', [width, width])],
    })
  })

  it('gives its encoder without the head', () => expectOutputs({}, 'encoder'))

  it('classifies by the first token', async () => {
    const { hidden_size: width = 0 } = golden.config as Record<string, number>
    const labels = { '0': 'no', '1': 'maybe', '2': 'yes' }
    await copyCase(golden, directory, {
      config: { architectures: ['Data2VecTextForSequenceClassification'], id2label: labels },
      tensors: (tensors) => [
        ...tensors.filter(({ name }) => !name.startsWith('lm_head')),
        // tanh of the layer is tanh(0.5) everywhere, whatever the token.
        floatTensor('classifier.dense.weight', [width, width]),
        floatTensor('classifier.dense.bias', [width], 0.5),
        floatTensor('classifier.out_proj.weight', [3, width], 1),
        floatTensor('classifier.out_proj.bias', [3], -1),
      ],
    })
    const model = await TextModel.open(directory)
    const { logits } = await model.run(model.prepare([[0, 5, 2]]))
    await model.close()
    expect(model.config.labels).toEqual(['no', 'maybe', 'yes'])
    expect(logits?.shape).toEqual([1, 3])
    for (const value of logits?.data ?? []) expect(Number(value)).toBeCloseTo(width * Math.tanh(0.5) - 1, 4)
  })

  it('an untied head has a table of its own', async () => {
    const { vocab_size: size = 0, hidden_size: width = 0 } = golden.config as Record<string, number>
    await copyCase(golden, directory, {
      config: { tie_word_embeddings: false },
      tensors: (tensors) => [
        ...tensors.filter(({ name }) => name !== 'lm_head.bias'),
        floatTensor('lm_head.decoder.weight', [size, width]),
        floatTensor('lm_head.bias', [size], 3),
      ],
    })
    const model = await TextModel.open(directory)
    const { logits } = await model.run(model.prepare([[0, 5, 2]]))
    await model.close()
    expect(new Set(logits?.data as Float32Array)).toEqual(new Set([3]))
  })

  it('gives a text the same states alone and in any padded batch', async () => {
    const model = await TextModel.open(golden.folder)
    const texts = (golden.about.texts as string[]).map((text) => model.tokenizer.encode(text))
    expect(texts.length).toBeGreaterThan(1)
    const batch = await model.run(model.prepare(texts))
    const [, tokens = 0, width = 0] = batch.last?.shape ?? []
    const states = batch.last?.data as Float32Array
    for (const [row, ids] of texts.entries()) {
      const alone = await model.run(model.prepare([ids]))
      const start = row * tokens * width
      const padded = states.subarray(start, start + ids.length * width)
      golden.expectClose(`row ${row}`, padded, alone.last?.data as Float32Array)
    }
    await model.close()
  })

  it('counts positions over the tokens that are no padding, wherever it is', async () => {
    const model = await TextModel.open(golden.folder)
    const ids = golden.integers('text0.input_ids')
    const padding = [1, 2].map(() => model.config.padId)
    const tokens = ids.length + padding.length
    const mask = [...padding.map(() => 0), ...ids.map(() => 1)]
    const { last } = await model.run({ ids: [...padding, ...ids], mask, rows: 1, tokens })
    const states = (last?.data ?? new Float32Array(0)) as Float32Array
    const real = states.subarray(padding.length * model.config.width)
    golden.expectClose('padded on the left', real, golden.floats('text0.last_hidden_state'))
    await model.close()
  })

  it('names every missing, surplus and misshapen tensor in one line', async () => {
    const line = await refusal(
      '08',
      {
        tensors: ([first, second, ...rest]) => [
          { ...(first ?? floatTensor('', [])), shape: [...(first?.shape ?? []), 1] },
          ...rest,
          { ...(second ?? floatTensor('', [])), name: 'data2vec_text.encoder.stranger' },
        ],
      },
      openText,
    )
    expect(line).toMatch(/^model\.safetensors/)
    expect(line).toMatch(/missing data2vec_text\.\S+ \[/)
    expect(line).toMatch(/ is \[\d+.*, 1\] instead of \[/)
    expect(line).toContain('surplus data2vec_text.encoder.stranger')
  })

  it('refuses what does not fit together', async () => {
    const cases: readonly (readonly [object, RegExp])[] = [
      [{ architectures: ['RobertaForMaskedLM'] }, /RobertaForMaskedLM.*Data2VecTextModel/],
      [{ num_attention_heads: 7 }, /does not divide into 7 heads/],
      [{ position_embedding_type: 'relative_key' }, /position_embedding_type/],
      [{ pad_token_id: 3 }, /pad_token_id 3 is not the tokenizer's/],
      [{ hidden_act: 'mystery', is_decoder: true }, /hidden_act.*is_decoder/],
      [{ max_position_embeddings: 2 }, /leaves no position/],
    ]
    for (const [config, reason] of cases)
      expect(await refusal('08', { config: { ...config } }, openText)).toMatch(reason)
  })

  it('refuses more tokens than positions, and tokens beyond its table', async () => {
    const model = await TextModel.open(golden.folder)
    const { mostTokens, vocabulary } = model.config
    const long = Array.from({ length: mostTokens }, () => 5)
    expect((await model.run(model.prepare([long]))).last?.shape[1]).toBe(mostTokens)
    expect(() => model.run(model.prepare([[...long, 5]]))).toThrow(RangeError)
    expect(() => model.prepare([[vocabulary]])).toThrow(/beyond the model's/)
    await model.close()
  })
})

describe('a vision model', () => {
  const [perBlock, shared] = goldenCases('09')
  if (perBlock === undefined || shared === undefined) throw new Error('both kinds of case 09 are needed')
  const openVision = (folder: string) => VisionModel.open(folder)
  const width = Number(perBlock.config.hidden_size)
  const pixels = (golden: typeof perBlock) => ({
    values: golden.floats('pixel_values'),
    rows: golden.tensor('pixel_values').shape[0] ?? 0,
  })

  it.each([perBlock, shared])('$name loads as an encoder that was saved alone', async (golden) => {
    const dropped = /^classifier\.|pooler\./
    await copyCase(golden, directory, {
      config: { architectures: ['Data2VecVisionModel'] },
      tensors: (tensors) => [
        ...without('data2vec_vision.')(tensors.filter(({ name }) => !dropped.test(name))),
        // Stored by older versions.
        {
          name: 'encoder.layer.0.attention.attention.relative_position_bias.relative_position_index',
          dtype: 'I64',
          shape: [1],
          data: new Uint8Array(8),
        },
      ],
    })
    const model = await VisionModel.open(directory)
    const results = await model.run(pixels(golden))
    await model.close()
    golden.expectTensor('last_hidden_state', results.last)
    expect(results.logits).toBeUndefined()
    expect(results.pooled === undefined).toBe(model.config.meanPooling)
  })

  it('adds absolute positions to every token', async () => {
    const patches = (golden: typeof perBlock) => (golden.tensor('hidden_states.0').shape[1] ?? 0) - 1
    const shape = [1, 1 + patches(perBlock), width]
    const outputs = []
    for (const value of [0, 0.5]) {
      await copyCase(perBlock, directory, {
        config: { use_absolute_position_embeddings: true },
        tensors: (tensors) => [
          ...tensors,
          floatTensor('data2vec_vision.embeddings.position_embeddings', shape, value),
        ],
      })
      const model = await VisionModel.open(directory, { hiddenStates: [0] })
      outputs.push((await model.run(pixels(perBlock)))['hidden.0']?.data as Float32Array)
      await model.close()
    }
    const expected = perBlock.floats('hidden_states.0')
    perBlock.expectClose('zeros', outputs[0] ?? [], expected)
    perBlock.expectClose(
      'halves',
      outputs[1] ?? [],
      expected.map((x) => x + 0.5),
    )
  })

  it('both kinds of relative positions add up, and a table of zeros adds nothing', async () => {
    const { grid, heads } = await VisionModel.open(shared.folder).then(async (model) => {
      await model.close()
      return model.config
    })
    const shape = [relativePositionRows(...grid), heads]
    await copyCase(shared, directory, {
      config: { use_relative_position_bias: true },
      tensors: (tensors) => [
        ...tensors,
        ...Array.from({ length: Number(shared.config.num_hidden_layers) }, (_, i) =>
          floatTensor(
            `data2vec_vision.encoder.layer.${i}.attention.attention.relative_position_bias.relative_position_bias_table`,
            shape,
          ),
        ),
      ],
    })
    const model = await VisionModel.open(directory)
    shared.expectTensor('logits', (await model.run(pixels(shared))).logits)
    await model.close()
  })

  it('counts relative positions by hand on a grid of one row and two columns', () => {
    // Table: across -1, 0, 1; then class to patch, patch to class, class to itself.
    expect(relativePositionRows(1, 2)).toBe(6)
    expect(relativePositionIndex(1, 2)).toEqual([5, 3, 3, 4, 1, 0, 4, 2, 1])
  })

  it('refuses what does not fit together', async () => {
    const cases: readonly (readonly [object, RegExp])[] = [
      [{ architectures: ['Data2VecVisionForSemanticSegmentation'] }, /SemanticSegmentation/],
      [{ use_mask_token: 'yes' }, /use_mask_token/],
      [{ image_size: 100_000, patch_size: 1 }, /patches/],
      [{ num_channels: 5 }, /num_channels/],
      [{ use_relative_position_bias: !perBlock.config.use_relative_position_bias }, /(?:missing|surplus)/],
      [{ patch_size: [2, 2] }, / instead of \[/],
    ]
    for (const [config, reason] of cases)
      expect(await refusal('09', { config: { ...config } }, openVision)).toMatch(reason)
  })

  it('refuses images that its own processor would not make', async () => {
    await copyCase(perBlock, directory)
    const processor = { do_center_crop: false, size: { height: 9, width: 11 } }
    await writeFile(join(directory, 'preprocessor_config.json'), JSON.stringify(processor))
    const model = await VisionModel.open(directory)
    const image = { width: 2, height: 2, data: new Uint8Array(12) }
    expect((await refusalOf(() => model.prepare([image]))).line).toMatch(/11 x 9 pixels/)
    await model.close()
  })
})
