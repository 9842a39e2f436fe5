/** Serving: int8 products, one graph for all lengths. */
import { describe, expect, it } from 'vitest'
import { Graph } from '../../../src/ml/graph/index.js'
import { encodeModel, quantise } from '../../../src/ml/onnx/index.js'
import { Session } from '../../../src/ml/session/session.js'
import { openSpeechCheckpoint, speechWeights } from '../../../src/models/wav2vec2/checkpoint.js'
import { frameCount, leastSamples } from '../../../src/models/wav2vec2/config.js'
import { buildServed } from '../../../src/models/wav2vec2/graph.js'
import { SpeechModel } from '../../../src/models/wav2vec2/model.js'
import { type GoldenCase, goldenCases } from '../../golden/harness.js'

function only(number: string): GoldenCase {
  const [golden] = goldenCases(number)
  if (golden === undefined) throw new Error(`no case ${number}`)
  return golden
}

describe('int8', () => {
  it('rounds every matrix of the blocks, and the logits stay near', async () => {
    const golden = only('02')
    const checkpoint = await openSpeechCheckpoint(golden.folder)
    const graph = new Graph('int8')
    const weights = speechWeights(graph, checkpoint, { task: 'ctc' })
    buildServed(graph, weights.parameters(), checkpoint.config, { task: 'ctc' })
    weights.finish()
    const report = quantise(graph, { least: 1 })
    // Four projections and two feed-forward layers a block, the projection to the encoder's width, the head, and the
    // front end's convolutions but the first, which hears raw sound.
    const { blocks, frontEnd } = checkpoint.config
    expect(report.weights.length).toBe(6 * blocks + 2 + frontEnd.layers.length - 1)
    expect(report.bytesAfter).toBeLessThan(report.bytesBefore / 2)
    const session = await Session.open(encodeModel(graph), { weightsFolder: checkpoint.files.folder })
    const { shape } = golden.tensor('single.input_values')
    const frames = frameCount(checkpoint.config.frontEnd, shape[1] ?? 0)
    const { logits } = await session.run({
      sound: golden.tensor('single.input_values'),
      frames: { dtype: 'int64', shape: [1], data: BigInt64Array.of(BigInt(frames)) },
    })
    await session.close()
    await checkpoint.close()
    const expected = golden.floats('single.logits')
    const actual = logits?.data as Float32Array
    const size = (values: Iterable<number>) =>
      Math.sqrt([...values].reduce((sum, value) => sum + value ** 2, 0))
    const error = size(expected.map((value, i) => value - (actual[i] ?? Number.NaN))) / size(expected)
    expect(error).toBeLessThan(0.1)
    expect(error).toBeGreaterThan(0)
  })
})

describe('one graph', () => {
  it('gives a sound the same frames alone and in any padded batch', async () => {
    const golden = only('02')
    const model = await SpeechModel.open(golden.folder)
    const whole = golden.floats('single.input_values')
    const least = leastSamples(model.config)
    for (const samples of [least, least + 1, Math.floor(whole.length / 2)]) {
      const sound = whole.slice(0, samples)
      const alone = await model.run({ values: sound, rows: 1, samples })
      const frames = model.frames(samples)
      expect(alone.logits?.shape[1]).toBe(frames)
      const padded = new Float32Array(2 * whole.length)
      padded.set(sound)
      padded.set(whole, whole.length)
      const batch = { values: padded, rows: 2, samples: whole.length, lengths: [samples, whole.length] }
      const { logits } = await model.run(batch)
      const [expected, actual] = [alone, { logits }].map((each) => (each.logits?.data ?? []) as Float32Array)
      if (expected === undefined || actual === undefined) throw new Error('no logits')
      expect(expected.length).toBeGreaterThan(0)
      golden.expectClose(`${samples} samples`, actual.subarray(0, expected.length), expected)
    }
    await model.close()
  })
})
