/** Robust statistics of the estimate. Medians of an even number take the larger middle value. */

/** @throws RangeError where there are no values. */
export function upperMedian(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of nothing')
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** The q-quantile (0..1) by nearest rank. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError('a quantile of nothing')
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN
}

/**
 * The Theil-Sen slope: the median of all pairwise slopes (Theil 1950, Sen 1968); up to 29 % of the points may be
 * arbitrary. Undefined with fewer than two distinct x.
 */
export function theilSenSlope(points: readonly (readonly [x: number, y: number])[]): number | undefined {
  const slopes: number[] = []
  for (let i = 0; i < points.length; i++)
    for (let j = i + 1; j < points.length; j++) {
      const [xi, yi] = points[i] ?? [0, 0]
      const [xj, yj] = points[j] ?? [0, 0]
      if (xi !== xj) slopes.push((yj - yi) / (xj - xi))
    }
  return slopes.length === 0 ? undefined : upperMedian(slopes)
}
