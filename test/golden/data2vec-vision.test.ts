/** Cases 09a and 09b: data2vec vision, from pixels to labels, with both kinds of relative positions and pooling. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { prepareImage } from '../../src/ml/image/index.js'
import { VisionModel } from '../../src/models/data2vec/vision-model.js'
import { visionLoss } from './data2vec-support.js'
import { type GoldenCase, goldenCases } from './harness.js'

/** Hidden states that the case holds: `hidden_states.N`. */
const statesOf = (golden: GoldenCase): readonly number[] =>
  golden.tensorNames.flatMap((name) => {
    const match = /^hidden_states\.(\d+)$/.exec(name)
    return match === null ? [] : [Number(match[1])]
  })

const pixelsOf = (golden: GoldenCase) => ({
  values: golden.floats('pixel_values'),
  rows: golden.tensor('pixel_values').shape[0] ?? 0,
})

/**
 * The first image of a tensor. Eight-bit pixels that another rounding moves by a level are within what case.json
 * allows; most must be equal.
 */
function expectPixels(golden: GoldenCase, name: string, actual: Float32Array): void {
  const { processed_image: advice = '' } = golden.about.tolerance as { readonly processed_image?: string }
  const atol = Number(/atol ([0-9.e-]+)/.exec(advice)?.[1] ?? 1e-2)
  const expected = golden.floats(name).subarray(0, actual.length)
  golden.expectClose(name, actual, expected, { rtol: 0, atol })
  const equal = actual.filter((value, i) => Math.abs(value - (expected[i] ?? Number.NaN)) < 1e-5)
  expect(equal.length).toBeGreaterThan(0.9 * expected.length)
}

for (const golden of goldenCases('09'))
  describe(`golden ${golden.name}`, () => {
    let model: VisionModel
    beforeAll(async () => {
      model = await VisionModel.open(golden.folder, { hiddenStates: statesOf(golden) })
    })
    afterAll(async () => {
      await model?.close()
      golden.report()
    })

    it('every hidden state, the pooled vector, the labels', async () => {
      const results = await model.run(pixelsOf(golden))
      expect(statesOf(golden).length).toBe(model.config.blocks + 1)
      for (const number of statesOf(golden))
        golden.expectTensor(`hidden_states.${number}`, results[`hidden.${number}`])
      golden.expectTensor('last_hidden_state', results.last)
      golden.expectTensor('pooler_output', results.pooled)
      golden.expectTensor('logits', results.logits)
    })

    it('the image as the reference prepares it', async () => {
      const [height = 0, width = 0] = golden.tensor('image').shape
      const image = { height, width, data: Uint8Array.from(golden.integers('image')) }
      const prepared = prepareImage(image, model.image)
      const [, ...shape] = golden.tensor('processed_image').shape
      expect([model.image.channels, prepared.height, prepared.width]).toEqual(shape)
      expectPixels(golden, 'processed_image', prepared.values)
      expectPixels(golden, 'pixel_values', model.prepare([image]).values)
    })

    it('masked patches', async () => {
      if (!golden.hasTensor('bool_masked_pos')) {
        expect(model.config.maskToken).toBe(false)
        return
      }
      const masking = await VisionModel.open(golden.folder, { masked: true })
      const results = await masking.run({ ...pixelsOf(golden), masked: golden.integers('bool_masked_pos') })
      await masking.close()
      golden.expectTensor('masked.last_hidden_state', results.last)
    })

    it('the loss of a classifier in training, whose gradient is its slope', async () => {
      const { slope, measured } = await visionLoss(golden)
      expect(Math.abs(slope)).toBeGreaterThan(0.01)
      expect(Math.abs(measured / slope - 1)).toBeLessThan(0.02)
    })
  })
