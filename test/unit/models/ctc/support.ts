/** Random CTC outputs and all their paths. */
import fc from 'fast-check'
import { collapse } from '../../../../src/models/ctc/greedy.js'
import {
  type LogProbabilities,
  logAdd,
  logSoftmaxRows,
} from '../../../../src/models/ctc/log-probabilities.js'

/** Outputs of random size; logits in a range where neither all nor one class counts. */
export const outputs = (
  frames: { readonly min: number; readonly max: number },
  classes: number,
): fc.Arbitrary<LogProbabilities> =>
  fc.integer(frames).chain((count) =>
    fc
      .array(fc.float({ min: -4, max: 4, noNaN: true }), {
        minLength: count * classes,
        maxLength: count * classes,
      })
      .map((logits) => logSoftmaxRows(Float32Array.from(logits), count, classes)),
  )

/** Every path with its log p. */
export function* paths({ data, frames, classes }: LogProbabilities): Generator<readonly [number[], number]> {
  for (let code = 0; code < classes ** frames; code++) {
    const path: number[] = []
    let total = 0
    for (let frame = 0, rest = code; frame < frames; frame++, rest = Math.floor(rest / classes)) {
      const token = rest % classes
      path.push(token)
      total += data[frame * classes + token] ?? Number.NaN
    }
    yield [path, total]
  }
}

/** log p of each key, summed over the paths whose collapse has it; undefined keys are dropped. */
export function masses(
  input: LogProbabilities,
  blank: number,
  keyOf: (tokens: readonly number[]) => string | undefined,
): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [path, logP] of paths(input)) {
    const key = keyOf(collapse(path, blank))
    if (key !== undefined) sums.set(key, logAdd(sums.get(key) ?? Number.NEGATIVE_INFINITY, logP))
  }
  return sums
}
