/** Case 08: data2vec text, from texts to hidden states, and the masked language model with its loss. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TextModel } from '../../src/models/data2vec/text-model.js'
import { textLoss } from './data2vec-support.js'
import { type GoldenCase, goldenCases } from './harness.js'
import { expectGradients } from './speech-support.js'

/** Hidden states that the case holds: `batch.hidden_states.N`. */
const statesOf = (golden: GoldenCase): readonly number[] =>
  golden.tensorNames.flatMap((name) => {
    const match = /^batch\.hidden_states\.(\d+)$/.exec(name)
    return match === null ? [] : [Number(match[1])]
  })

for (const golden of goldenCases('08'))
  describe(`golden ${golden.name}`, () => {
    let model: TextModel
    beforeAll(async () => {
      model = await TextModel.open(golden.folder, { hiddenStates: statesOf(golden) })
    })
    afterAll(async () => {
      await model?.close()
      golden.report()
    })

    it('a text by itself', async () => {
      const [text = ''] = golden.about.texts as string[]
      const ids = model.tokenizer.encode(text)
      expect(ids).toEqual(golden.integers('text0.input_ids'))
      const results = await model.run(model.prepare([ids]))
      golden.expectTensor('text0.last_hidden_state', results.last)
      golden.expectTensor('text0.logits', results.logits)
    })

    it('a padded batch: every hidden state and the logits of the tokens that count', async () => {
      const [rows = 0, tokens = 0] = golden.tensor('batch.input_ids').shape
      const mask = golden.integers('batch.attention_mask')
      const ids = golden.integers('batch.input_ids')
      const results = await model.run({ ids, mask, rows, tokens })
      const lengths = Array.from({ length: rows }, (_, row) =>
        mask.slice(row * tokens, (row + 1) * tokens).reduce((sum, each) => sum + each, 0),
      )
      expect(statesOf(golden).length).toBe(model.config.blocks + 1)
      for (const number of statesOf(golden))
        golden.expectFrames(`batch.hidden_states.${number}`, results[`hidden.${number}`], lengths)
      golden.expectFrames('batch.logits', results.logits, lengths)
    })

    it('the loss in training, whose gradient is the slope of the loss', async () => {
      const { loss, slope, measured, gradients } = await textLoss(golden)
      golden.expectTensor('batch.loss', loss)
      expect(Math.abs(slope)).toBeGreaterThan(0.01)
      expect(Math.abs(measured / slope - 1)).toBeLessThan(0.02)
      if (golden.has('grads.safetensors')) expectGradients(golden, gradients)
    })
  })
