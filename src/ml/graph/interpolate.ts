/** Resizing of the last two axes: separable, so each axis is a product with a constant matrix. */

import type { Graph } from './graph.js'
import { matmul } from './matmul.js'
import { staticDimAt } from './shape.js'
import type { Tensor } from './tensor.js'

export type Interpolation = 'nearest' | 'bilinear'

/** [to, from]: each row holds the weights of the source places (PyTorch's align_corners = false). */
function resizeMatrix(graph: Graph, from: number, to: number, mode: Interpolation): Tensor {
  const weights = new Float32Array(to * from)
  const scale = from / to
  for (let i = 0; i < to; i++) {
    if (mode === 'nearest') {
      weights[i * from + Math.min(Math.floor(i * scale), from - 1)] = 1
      continue
    }
    const place = Math.max((i + 0.5) * scale - 0.5, 0)
    const low = Math.min(Math.floor(place), from - 1)
    const high = Math.min(low + 1, from - 1)
    const share = place - low
    weights[i * from + low] = (weights[i * from + low] ?? 0) + 1 - share
    weights[i * from + high] = (weights[i * from + high] ?? 0) + share
  }
  return graph.constant(weights, [to, from])
}

/** @param x [..., height, width]. @returns [..., size[0], size[1]]. */
export function interpolate(x: Tensor, size: readonly [number, number], mode: Interpolation): Tensor {
  const height = staticDimAt('interpolate', x.shape, -2)
  const width = staticDimAt('interpolate', x.shape, -1)
  const wide =
    size[1] === width ? x : matmul(x, resizeMatrix(x.graph, width, size[1], mode), { transposeB: true })
  return size[0] === height ? wide : matmul(resizeMatrix(x.graph, height, size[0], mode), wide)
}
