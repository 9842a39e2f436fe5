/** What the cases of the wav2vec 2.0 family have in common. */
import type { SoundBatch } from '../../src/models/wav2vec2/model.js'
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
