/** Lays a strided view out in C order. */

import { elementCount } from '../dtype.js'

/**
 * @param source bytes from the view's first element on
 * @param shape sizes, outermost first
 * @param stride distance of neighbours in elements, an axis each
 * @param size bytes an element
 * @returns the elements in C order
 */
export function gatherStrided(
  source: Uint8Array,
  shape: readonly number[],
  stride: readonly number[],
  size: number,
): Uint8Array {
  const count = elementCount(shape)
  if (count === undefined) throw new RangeError('malformed shape')
  const out = new Uint8Array(count * size)
  const index = new Array<number>(shape.length).fill(0)
  let from = 0
  for (let to = 0; to < out.length; to += size) {
    for (let byte = 0; byte < size; byte++) out[to + byte] = source[from * size + byte] ?? 0
    // Advance the odometer: innermost axis first.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1
      from += stride[axis] ?? 0
      index[axis] = next
      if (next < (shape[axis] ?? 1)) break
      from -= next * (stride[axis] ?? 0)
      index[axis] = 0
    }
  }
  return out
}
