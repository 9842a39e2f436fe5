/** Cases 01, 02 (wav2vec 2.0 and XLS-R recognisers) and 07 (data2vec audio): forward, loss and gradients. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { prepareWaveforms } from '../../src/ml/audio/normalise.js'
import { CtcTokenizer } from '../../src/ml/tokenizers/ctc.js'
import { SpeechModel } from '../../src/models/wav2vec2/model.js'
import { goldenCases } from './harness.js'
import { hiddenStatesOf, soundsOf } from './speech-support.js'

for (const golden of goldenCases('01', '02', '07'))
  describe(`golden ${golden.name}`, () => {
    let model: SpeechModel
    beforeAll(async () => {
      model = await SpeechModel.open(golden.folder, { hiddenStates: hiddenStatesOf(golden), extracted: true })
    })
    afterAll(async () => {
      await model?.close()
      golden.report()
    })

    it('one recording: features, every hidden state, logits', async () => {
      const results = await model.run(soundsOf(golden, 'single.input_values'))
      golden.expectTensor('single.extract_features', results.extracted)
      expect(hiddenStatesOf(golden).length).toBe(model.config.blocks + 1)
      for (const number of hiddenStatesOf(golden))
        golden.expectTensor(`single.hidden_states.${number}`, results[`hidden.${number}`])
      golden.expectTensor('single.logits', results.logits)
    })

    it('a padded batch, with and without a mask', async () => {
      const samples = golden.integers('batch.input_lengths')
      const frames = golden.integers('batch.frame_lengths')
      expect(samples.map((length) => model.frames(length))).toEqual(frames)
      const results = await model.run(soundsOf(golden, 'batch.input_values', samples))
      for (const name of ['batch.logits_masked', 'batch.logits'])
        if (golden.hasTensor(name)) golden.expectFrames(name, results.logits, frames)
      for (const number of hiddenStatesOf(golden)) {
        const name = `batch.hidden_states.${number}`
        if (golden.hasTensor(name)) golden.expectFrames(name, results[`hidden.${number}`], frames)
      }
      if (!golden.hasTensor('batch.logits_unmasked')) return
      const whole = await model.run(soundsOf(golden, 'batch.input_values'))
      golden.expectTensor('batch.logits_unmasked', whole.logits)
    })

    it('raw sound to text', async () => {
      const { single, batch } = golden.about.expected_text as { single: string; batch?: string[] }
      const tokenizer = await CtcTokenizer.read(golden.folder)
      const text = (ids: readonly number[]): string => tokenizer.decode(ids)
      const results = await model.run(soundsOf(golden, 'single.input_values'))
      const letters = model.letters(results)
      if (golden.hasTensor('single.argmax')) expect(letters[0]).toEqual(golden.integers('single.argmax'))
      expect(text(letters[0] ?? [])).toBe(single)
      if (golden.hasTensor('audio.0')) {
        const prepared = prepareWaveforms([golden.floats('audio.0')], model.waveform)
        golden.expectClose('single.input_values', prepared.values, golden.floats('single.input_values'))
      }
      if (batch === undefined) return
      const samples = golden.integers('batch.input_lengths')
      const rows = model.letters(await model.run(soundsOf(golden, 'batch.input_values', samples)))
      const frames = golden.integers('batch.frame_lengths')
      expect(rows.map((row, i) => text(row.slice(0, frames[i])))).toEqual(batch)
    })
  })
