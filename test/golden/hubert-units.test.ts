/** Cases 06a and 06b: HuBERT's hidden states and k-means units. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runsOf, UnitEncoder } from '../../src/models/hubert/units.js'
import { SpeechModel } from '../../src/models/wav2vec2/model.js'
import { goldenCases } from './harness.js'
import { hiddenStatesOf, soundsOf } from './speech-support.js'

for (const golden of goldenCases('06'))
  describe(`golden ${golden.name}`, () => {
    let encoder: UnitEncoder
    beforeAll(async () => {
      const [count = 0, width = 0] = golden.tensor('kmeans.centroids').shape
      encoder = await UnitEncoder.open(golden.folder, {
        layer: Number(golden.about.unit_layer),
        centroids: { count, width, values: golden.floats('kmeans.centroids') },
      })
    })
    afterAll(async () => {
      await encoder?.close()
      golden.report()
    })

    it('every hidden state', async () => {
      const model = await SpeechModel.open(golden.folder, { hiddenStates: hiddenStatesOf(golden) })
      const results = await model.run(soundsOf(golden, 'single.input_values'))
      expect(hiddenStatesOf(golden).length).toBe(model.config.blocks + 1)
      for (const number of hiddenStatesOf(golden))
        golden.expectTensor(`single.hidden_states.${number}`, results[`hidden.${number}`])
      await model.close()
    })

    it('units of one recording, and of a row of a masked batch', async () => {
      const samples = golden.integers('batch.input_lengths')
      expect(samples.map((length) => encoder.model.frames(length))).toEqual(
        golden.integers('batch.frame_lengths'),
      )
      const [single = []] = await encoder.run(soundsOf(golden, 'single.input_values'))
      const batch = await encoder.run(soundsOf(golden, 'batch.input_values', samples))
      for (const [row, units] of [single, batch[1] ?? []].entries()) {
        expect(units).toEqual(golden.integers(`units.${row}`))
        const runs = runsOf(units)
        expect(runs.map(({ unit }) => unit)).toEqual(golden.integers(`units_dedup.${row}`))
        expect(runs.reduce((total, { frames }) => total + frames, 0)).toBe(units.length)
      }
    })

    it('units from raw sound', async () => {
      if (!golden.hasTensor('audio.0')) return
      const [units] = await encoder.encode([golden.floats('audio.0')])
      expect(units).toEqual(golden.integers('units.0'))
    })
  })
