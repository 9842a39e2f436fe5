/** The two normalising kernels of the runtime; layers/norm.ts builds the published kinds from them. */
import { dimAt, ShapeError, staticDimAt } from './shape.js'
import { float, int, type Tensor } from './tensor.js'

/**
 * (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis.
 * @param weight [width]. @param bias [width].
 */
export function layerNormalise(x: Tensor, weight: Tensor, bias: Tensor | undefined, epsilon: number): Tensor {
  const width = staticDimAt('layerNorm', x.shape, -1)
  for (const parameter of bias === undefined ? [weight] : [weight, bias])
    if (parameter.rank !== 1 || parameter.shape[0] !== width)
      throw new ShapeError('layerNorm', [x.shape, parameter.shape], 'the scale does not fit the last axis')
  const statistics = { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] }
  const [y] = x.graph.emit(
    'LayerNormalization',
    bias === undefined ? [x, weight] : [x, weight, bias],
    [{ dtype: x.dtype, shape: x.shape }, statistics, statistics],
    { axis: int(-1), epsilon: float(epsilon) },
  )
  if (y === undefined) throw new Error('LayerNormalization made nothing')
  return y
}

/** Zero mean and unit variance of each row of [batch, rows, values], over the values. */
export function normaliseRows(x: Tensor, epsilon: number): Tensor {
  if (x.rank !== 3) throw new ShapeError('normaliseRows', [x.shape], 'needs [batch, rows, values]')
  const rows = staticDimAt('normaliseRows', x.shape, 1)
  dimAt('normaliseRows', x.shape, 2)
  const { graph } = x
  const ones = graph.constant(new Float32Array(rows).fill(1), [rows])
  const zeros = graph.constant(new Float32Array(rows), [rows])
  return graph.emitOne(
    'InstanceNormalization',
    [x, ones, zeros],
    { dtype: x.dtype, shape: x.shape },
    { epsilon: float(epsilon) },
  )
}
