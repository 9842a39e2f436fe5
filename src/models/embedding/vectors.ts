/** Vectors that stand for an input: the hidden states of its parts, or their mean. */

/** Rows of numbers, [count, width] in C order. */
export interface Rows {
  readonly data: Float32Array
  readonly count: number
  readonly width: number
}

/** The mean of rows that come piece by piece; sums in float64, so that an hour of frames loses nothing. @param onRows told of each piece's */
export async function meanOfRows(
  pieces: AsyncIterable<Rows>,
  onRows?: (count: number) => void,
): Promise<Float32Array> {
  let sums = new Float64Array(0)
  let total = 0
  for await (const { data, count, width } of pieces) {
    if (total === 0) sums = new Float64Array(width)
    for (let i = 0; i < count * width; i++) sums[i % width] = (sums[i % width] ?? 0) + (data[i] ?? 0)
    total += count
    onRows?.(count)
  }
  if (total === 0) throw new Error('there was no row')
  return Float32Array.from(sums, (sum) => sum / total)
}

/** Each row divided by its length (Euclidean), in place; rows of zeros stay so. */
export function normaliseRows(data: Float32Array, width: number): Float32Array {
  for (let start = 0; start < data.length; start += width) {
    const row = data.subarray(start, start + width)
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
    if (length > 0) for (let i = 0; i < width; i++) row[i] = (row[i] ?? 0) / length
  }
  return data
}
