/**
 * Speech as discrete units: hidden states of HuBERT (or any encoder of the family), each replaced by the number of the
 * nearest k-means centroid (Lakhotia et al. 2021, "On generative spoken language modeling from raw audio").
 */

/** Centroids [count, width] in C order. */
export interface Centroids {
  readonly count: number
  readonly width: number
  readonly values: Float32Array
}

/** A unit and the frames that it lasts. */
export interface UnitRun {
  readonly unit: number
  readonly frames: number
}

/**
 * The nearest centroid (squared Euclidean) of each frame; sums in float64, the first of equals.
 * @param hidden [frames, width] in C order. @throws RangeError where the widths differ.
 */
export function nearestCentroids(
  hidden: Float32Array,
  { count, width, values }: Centroids,
): readonly number[] {
  if (values.length !== count * width || count < 1) throw new RangeError('centroids do not fill their shape')
  if (hidden.length % width !== 0) throw new RangeError(`frames are not ${width} wide as the centroids are`)
  return Array.from({ length: hidden.length / width }, (_, frame) => {
    let best = 0
    let least = Number.POSITIVE_INFINITY
    for (let unit = 0; unit < count; unit++) {
      let distance = 0
      for (let i = 0; i < width && distance < least; i++) {
        const difference = (hidden[frame * width + i] ?? 0) - (values[unit * width + i] ?? 0)
        distance += difference * difference
      }
      if (distance < least) {
        least = distance
        best = unit
      }
    }
    return best
  })
}

/** Equal neighbours made one, with how long they last. */
export function runsOf(units: readonly number[]): readonly UnitRun[] {
  const runs: { unit: number; frames: number }[] = []
  for (const unit of units) {
    const last = runs.at(-1)
    if (last?.unit === unit) last.frames++
    else runs.push({ unit, frames: 1 })
  }
  return runs
}
