/** The most likely path that spells given tokens (Viterbi over the CTC lattice): where each token was said. */
import { UserError } from '../../errors.js'
import { checkTokens, framesNeeded } from './likelihood.js'
import { checkLogProbabilities, type LogProbabilities } from './log-probabilities.js'

/** One byte a frame and state: 256 MiB, an hour at 49 Hz against some 700 tokens a minute. */
export const MAX_CELLS = 1 << 28

export interface TokenSpan {
  readonly token: number
  /** First frame of the token, and one past its last. */
  readonly start: number
  readonly end: number
  /** Sum of log p over the frames. */
  readonly logProbability: number
}

export interface Alignment {
  /** One a token, in order; blanks lie between. */
  readonly spans: readonly TokenSpan[]
  /** A class a frame. */
  readonly path: Int32Array
  /** log p of that path. */
  readonly logProbability: number
}

/**
 * @param tokens what was said, without blanks.
 * @throws UserError where the frames are too few for the tokens, or the lattice exceeds MAX_CELLS.
 */
export function align(input: LogProbabilities, tokens: readonly number[], blank: number): Alignment {
  checkLogProbabilities(input)
  const { data, frames, classes } = input
  checkTokens(tokens, blank, classes)
  const needed = framesNeeded(tokens)
  if (frames < needed)
    throw new UserError(`${frames} frames cannot spell ${tokens.length} tokens, which need ${needed}`, {
      code: 'BAD_ARGUMENT',
      remedy: 'align text and sound of the same recording',
    })
  const states = 2 * tokens.length + 1
  if (frames * states > MAX_CELLS)
    throw new UserError(`${frames} frames against ${tokens.length} tokens are too long to align at once`, {
      code: 'BAD_ARGUMENT',
      remedy: 'align shorter pieces',
    })
  if (frames === 0) return { spans: [], path: new Int32Array(0), logProbability: 0 }
  const labels = Int32Array.from({ length: states }, (_, s) =>
    s % 2 === 0 ? blank : (tokens[(s - 1) / 2] ?? blank),
  )
  const { steps, last } = viterbi(data, frames, classes, labels, blank)
  const end = states > 1 && (last[states - 2] ?? 0) > (last[states - 1] ?? 0) ? states - 2 : states - 1
  const chosen = new Int32Array(frames)
  for (let frame = frames - 1, state = end; frame >= 0; frame--) {
    chosen[frame] = state
    state -= steps[frame * states + state] ?? 0
  }
  const spans: { token: number; start: number; end: number; logProbability: number }[] = []
  chosen.forEach((state, frame) => {
    if (state % 2 === 0) return
    const index = (state - 1) / 2
    const token = tokens[index] ?? blank
    const logP = data[frame * classes + token] ?? 0
    const open = spans[index]
    if (open === undefined) spans[index] = { token, start: frame, end: frame + 1, logProbability: logP }
    else {
      open.end = frame + 1
      open.logProbability += logP
    }
  })
  return { spans, path: chosen.map((state) => labels[state] ?? blank), logProbability: last[end] ?? 0 }
}

/** Best scores of the last frame, and how many states back each cell's best predecessor lies (0, 1 or 2). */
function viterbi(
  data: Float32Array,
  frames: number,
  classes: number,
  labels: Int32Array,
  blank: number,
): { readonly steps: Uint8Array; readonly last: Float64Array } {
  const states = labels.length
  const steps = new Uint8Array(frames * states)
  let best = new Float64Array(states).fill(Number.NEGATIVE_INFINITY)
  let next = new Float64Array(states)
  for (let state = 0; state < Math.min(2, states); state++) best[state] = data[labels[state] ?? blank] ?? 0
  for (let frame = 1; frame < frames; frame++) {
    for (let state = 0; state < states; state++) {
      const label = labels[state] ?? blank
      let score = best[state] ?? 0
      let step = 0
      const one = state > 0 ? (best[state - 1] ?? 0) : Number.NEGATIVE_INFINITY
      if (one > score) [score, step] = [one, 1]
      const mayLeap = state > 1 && label !== blank && label !== labels[state - 2]
      const two = mayLeap ? (best[state - 2] ?? 0) : Number.NEGATIVE_INFINITY
      if (two > score) [score, step] = [two, 2]
      steps[frame * states + state] = step
      next[state] = score + (data[frame * classes + label] ?? 0)
    }
    ;[best, next] = [next, best]
  }
  return { steps, last: best }
}
