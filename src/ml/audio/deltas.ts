/** Differences over time of features, by linear regression (`torchaudio.functional.compute_deltas`). */

import type { Features } from './kaldi.js'

/**
 * @param window frames looked at, odd; the first and last frame are repeated beyond the ends
 * @returns as wide and long as the input
 * @throws RangeError for an even window or one below 3
 */
export function deltas({ values, frames, width }: Features, window = 5): Features {
  if (window < 3 || window % 2 === 0) throw new RangeError(`a window of ${window} frames`)
  const reach = (window - 1) / 2
  const norm = (reach * (reach + 1) * (2 * reach + 1)) / 3
  const out = new Float32Array(values.length)
  const at = (t: number, column: number) => values[Math.min(frames - 1, Math.max(0, t)) * width + column] ?? 0
  for (let t = 0; t < frames; t++)
    for (let column = 0; column < width; column++) {
      let sum = 0
      for (let n = 1; n <= reach; n++) sum += n * (at(t + n, column) - at(t - n, column))
      out[t * width + column] = sum / norm
    }
  return { values: out, frames, width }
}

/** Features side by side, for example [mfcc, delta, delta of delta]. @throws RangeError for other lengths */
export function sideBySide(parts: readonly Features[]): Features {
  const frames = parts[0]?.frames ?? 0
  if (parts.some((part) => part.frames !== frames)) throw new RangeError('features of different lengths')
  const width = parts.reduce((sum, part) => sum + part.width, 0)
  const values = new Float32Array(frames * width)
  let column = 0
  for (const part of parts) {
    for (let t = 0; t < frames; t++)
      values.set(part.values.subarray(t * part.width, (t + 1) * part.width), t * width + column)
    column += part.width
  }
  return { values, frames, width }
}
