/** Cases 06 to 09 as vectors: what `plumbline embed` gives is the reference's hidden states, or their mean. */
import { describe, expect, it } from 'vitest'
import {
  type Embedder,
  ImageEmbedder,
  type Rows,
  SoundEmbedder,
  TextEmbedder,
} from '../../src/models/embedding/index.js'
import { type GoldenCase, goldenCases } from './harness.js'

async function rowsOf<Input>(model: Embedder<Input>, input: Input): Promise<Float32Array> {
  const pieces: Rows[] = []
  for await (const piece of model.rows(input)) pieces.push(piece)
  expect(pieces.length).toBe(1)
  return pieces[0]?.data ?? new Float32Array(0)
}

/** Means over rows of `width` numbers. */
function meanOf(values: Float32Array, width: number): Float32Array {
  const count = values.length / width
  return Float32Array.from({ length: width }, (_, i) => {
    let sum = 0
    for (let row = 0; row < count; row++) sum += values[row * width + i] ?? Number.NaN
    return sum / count
  })
}

const numbersIn = (golden: GoldenCase, pattern: RegExp): readonly number[] =>
  golden.tensorNames.flatMap((name) => pattern.exec(name)?.[1] ?? []).map(Number)

for (const golden of goldenCases('06', '07').filter((each) => each.hasTensor('audio.0')))
  describe(`golden ${golden.name}`, () => {
    it('raw sound, each layer', async () => {
      const layers = numbersIn(golden, /^single\.hidden_states\.(\d+)$/)
      expect(layers.length).toBeGreaterThan(1)
      for (const layer of layers) {
        const model = await SoundEmbedder.open(golden.folder, { layer })
        const expected = golden.floats(`single.hidden_states.${layer}`)
        golden.expectClose(`layer ${layer}`, await rowsOf(model, golden.floats('audio.0')), expected)
        const vector = await model.vector(golden.floats('audio.0'))
        golden.expectClose(`mean of layer ${layer}`, vector, meanOf(expected, model.width))
        await model.close()
      }
    })

    it("the model's output unless told", async () => {
      const model = await SoundEmbedder.open(golden.folder)
      const expected = golden.floats(`single.hidden_states.${model.blocks}`)
      golden.expectClose('output', await rowsOf(model, golden.floats('audio.0')), expected)
      await model.close()
    })
  })

for (const golden of goldenCases('08'))
  describe(`golden ${golden.name}`, () => {
    it('a text: a row for each token, and their mean', async () => {
      const [text = ''] = golden.about.texts as string[]
      const model = await TextEmbedder.open(golden.folder)
      const expected = golden.floats('text0.last_hidden_state')
      golden.expectClose('tokens', await rowsOf(model, text), expected)
      golden.expectClose('mean', await model.vector(text), meanOf(expected, model.width))
      expect(model.tokens(text).length).toBe(expected.length / model.width)
      await model.close()
    })
  })

for (const golden of goldenCases('09'))
  describe(`golden ${golden.name}`, () => {
    const [height = 0, width = 0] = golden.tensor('image').shape
    const image = { height, width, data: Uint8Array.from(golden.integers('image')) }
    /** The first image's part of a tensor over the batch. */
    const first = (name: string): Float32Array => {
      const values = golden.floats(name)
      return values.subarray(0, values.length / (golden.tensor(name).shape[0] ?? 1))
    }

    it('an image: what the model pools it to', async () => {
      const model = await ImageEmbedder.open(golden.folder)
      golden.expectClose('pooled', await model.vector(image), first('pooler_output'))
      golden.expectClose(
        'patches',
        await rowsOf(model, image),
        first('last_hidden_state').subarray(model.width),
      )
      await model.close()
    })

    it('each layer: the patches without the class token, and their mean', async () => {
      const layers = numbersIn(golden, /^hidden_states\.(\d+)$/)
      expect(layers.length).toBeGreaterThan(1)
      for (const layer of layers) {
        const model = await ImageEmbedder.open(golden.folder, { layer })
        const expected = first(`hidden_states.${layer}`).subarray(model.width)
        golden.expectClose(`layer ${layer}`, await rowsOf(model, image), expected)
        golden.expectClose(`mean of layer ${layer}`, await model.vector(image), meanOf(expected, model.width))
        await model.close()
      }
    })
  })
