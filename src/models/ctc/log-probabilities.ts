/** What every decoder here reads: natural logarithms of class probabilities, a row a frame. */

export interface LogProbabilities {
  /** [frames, classes], row after row. */
  readonly data: Float32Array
  readonly frames: number
  readonly classes: number
}

/** log(e^a + e^b), exact at -Infinity. */
export function logAdd(a: number, b: number): number {
  if (a < b) return b + Math.log1p(Math.exp(a - b))
  return b === Number.NEGATIVE_INFINITY ? a : a + Math.log1p(Math.exp(b - a))
}

/** @throws RangeError where the data does not fill the frames, or a value is NaN or above 0 by more than rounding. */
export function checkLogProbabilities({ data, frames, classes }: LogProbabilities): void {
  if (!Number.isInteger(frames) || !Number.isInteger(classes) || frames < 0 || classes < 1)
    throw new RangeError(`log probabilities are [frames, classes], not [${frames}, ${classes}]`)
  if (data.length !== frames * classes)
    throw new RangeError(`${data.length} values do not fill ${frames} frames of ${classes} classes`)
  for (let i = 0; i < data.length; i++)
    if (!((data[i] ?? Number.NaN) <= 1e-4))
      throw new RangeError(`frame ${Math.floor(i / classes)} holds ${data[i]}, which is no log probability`)
}

/** log softmax of each row. @param logits [frames, classes]. */
export function logSoftmaxRows(logits: Float32Array, frames: number, classes: number): LogProbabilities {
  if (logits.length !== frames * classes)
    throw new RangeError(`${logits.length} values do not fill ${frames} frames of ${classes} classes`)
  const data = new Float32Array(logits.length)
  for (let start = 0; start < logits.length; start += classes) {
    const row = logits.subarray(start, start + classes)
    let top = Number.NEGATIVE_INFINITY
    for (const value of row) top = Math.max(top, value)
    let sum = 0
    for (const value of row) sum += Math.exp(value - top)
    const total = top + Math.log(sum)
    for (let i = 0; i < classes; i++) data[start + i] = (row[i] ?? 0) - total
  }
  return { data, frames, classes }
}
