/** What the cases of the wav2vec 2.0 family have in common. */
import { expect } from 'vitest'
import { gradients } from '../../src/ml/autodiff/index.js'
import { openCheckpoint } from '../../src/ml/files/open.js'
import { WeightNormView } from '../../src/ml/files/weight-norm.js'
import { Graph, type Tensor } from '../../src/ml/graph/index.js'
import type { Parameters } from '../../src/ml/layers/index.js'
import { evaluate } from '../../src/ml/session/evaluate.js'
import type { TensorValue, TensorValues } from '../../src/ml/session/session.js'
import { FlatParameters, PARAMETER_PREFIX } from '../../src/ml/train/flat-parameters.js'
import { openSpeechCheckpoint } from '../../src/models/wav2vec2/checkpoint.js'
import type { SpeechEncoderConfig } from '../../src/models/wav2vec2/config.js'
import type { SoundBatch } from '../../src/models/wav2vec2/model.js'
import { isHead } from '../../src/models/wav2vec2/names.js'
import type { GoldenCase } from './harness.js'

/** An `input_values` tensor as a batch. */
export function soundsOf(golden: GoldenCase, name: string, lengths?: readonly number[]): SoundBatch {
  const { shape } = golden.tensor(name)
  const [rows = 0, samples = 0] = shape
  return { values: golden.floats(name), rows, samples, ...(lengths === undefined ? {} : { lengths }) }
}

/** Numbers of the hidden states that a case holds: `single.hidden_states.N`. */
export function hiddenStatesOf(golden: GoldenCase): readonly number[] {
  return golden.tensorNames.flatMap((name) => {
    const match = /^single\.hidden_states\.(\d+)$/.exec(name)
    return match === null ? [] : [Number(match[1])]
  })
}

/**
 * A model built on a case's weights as in training, run once: outputs and, where asked for, gradients by the names of
 * the checkpoint (in the older spelling of weight norm).
 */
export async function runTraining(
  golden: GoldenCase,
  task: 'ctc' | 'classification' | 'pretraining',
  inputs: TensorValues,
  build: (context: {
    readonly p: Parameters
    readonly input: (name: string) => Tensor
    readonly config: SpeechEncoderConfig
  }) => { readonly loss: Tensor; readonly outputs?: Readonly<Record<string, Tensor>> },
): Promise<{
  readonly outputs: TensorValues
  readonly gradients: ReadonlyMap<string, TensorValue>
}> {
  const checkpoint = await openSpeechCheckpoint(golden.folder)
  const source = new WeightNormView(await openCheckpoint(golden.folder))
  try {
    const graph = new Graph(task)
    const table = new FlatParameters(graph)
    const feeds: Record<string, TensorValue> = { ...inputs }
    const tensors = Object.fromEntries(
      Object.entries(inputs).map(([name, { dtype, shape }]) => [name, graph.input(name, dtype, shape)]),
    )
    const input = (name: string): Tensor => {
      const tensor = tensors[name]
      if (tensor === undefined) throw new Error(`no input ${name}`)
      return tensor
    }
    const { loss, outputs = {} } = build({ p: table.parameters(), input, config: checkpoint.config })
    graph.output('loss', loss)
    for (const [name, tensor] of Object.entries(outputs)) graph.output(name, tensor)
    const layout = table.layout()
    const storedName = (name: string): string => (isHead(name) ? name : checkpoint.prefix + name)
    gradients(loss, table.trainedTensors).forEach((gradient, i) => {
      graph.output(`gradient.${storedName(layout.entries[i]?.name ?? '')}`, gradient)
    })
    for (const { name, shape } of layout.entries)
      feeds[PARAMETER_PREFIX + name] = {
        dtype: 'float32',
        shape,
        data: await source.readFloat32(storedName(name)),
      }
    const results = await evaluate(graph, feeds)
    return {
      outputs: results,
      gradients: new Map(
        Object.entries(results).flatMap(([name, value]) =>
          name.startsWith('gradient.') ? [[name.slice('gradient.'.length), value]] : [],
        ),
      ),
    }
  } finally {
    await source.close()
    await checkpoint.close()
  }
}

/** Every gradient that the case holds; those of key biases are zero but for rounding. */
export function expectGradients(golden: GoldenCase, gradients: ReadonlyMap<string, TensorValue>): void {
  const expected = golden.tensorsOf('grads.safetensors')
  const names = Object.keys(expected)
  expect(names.length).toBeGreaterThan(0)
  for (const name of names) {
    const want = expected[name]
    const got = gradients.get(name)
    expect(got?.shape, `gradient of ${name}`).toEqual(want?.shape)
    const tolerance = /(?:k_proj|key)\.bias$/.test(name) ? { rtol: 0, atol: 1e-3 } : golden.gradientTolerance
    golden.expectClose(
      `gradient of ${name}`,
      got?.data as Float32Array,
      want?.data as Float32Array,
      tolerance,
    )
  }
}
