/** The best path: the most likely class of each frame (Graves et al. 2006, section 3.2). */
import { checkLogProbabilities, type LogProbabilities } from './log-probabilities.js'

export interface BestPath {
  /** A class a frame. */
  readonly path: Int32Array
  /** The path without repeats and blanks. */
  readonly tokens: readonly number[]
  /** log p of the path: a lower bound of its tokens' log likelihood. */
  readonly logProbability: number
}

/** The collapse B of Graves et al.: equal neighbours become one, then blanks go. */
export function collapse(path: Iterable<number>, blank: number): readonly number[] {
  const tokens: number[] = []
  let last = blank
  for (const token of path) {
    if (token !== blank && token !== last) tokens.push(token)
    last = token
  }
  return tokens
}

/** @param blank the class that stands for nothing. Of equals the lower class wins, as argmax has it. */
export function bestPath(input: LogProbabilities, blank: number): BestPath {
  checkLogProbabilities(input)
  const { data, frames, classes } = input
  const path = new Int32Array(frames)
  let logProbability = 0
  for (let frame = 0; frame < frames; frame++) {
    let best = 0
    const start = frame * classes
    for (let c = 1; c < classes; c++) if ((data[start + c] ?? 0) > (data[start + best] ?? 0)) best = c
    path[frame] = best
    logProbability += data[start + best] ?? 0
  }
  return { path, tokens: collapse(path, blank), logProbability }
}
