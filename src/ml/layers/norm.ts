/** Normalisation, each as published; parameters `weight` and `bias` are vectors over channels. */
import {
  add,
  dimAt,
  layerNormalise,
  mean,
  mul,
  normaliseRows,
  productOfDims,
  reciprocal,
  reshape,
  ShapeError,
  sqrt,
  square,
  staticDimAt,
  type Tensor,
} from '../graph/index.js'
import type { Parameters } from './parameters.js'

/** PyTorch's default. */
const EPSILON = 1e-5

/** Layer normalisation over the last axis (Ba et al. 2016). */
export function layerNorm(p: Parameters, x: Tensor, epsilon = EPSILON): Tensor {
  const width = staticDimAt('layerNorm', x.shape, -1)
  return layerNormalise(
    x,
    p.get('weight', [width], { kind: 'ones' }),
    p.get('bias', [width], { kind: 'zeros' }),
    epsilon,
  )
}

/** Layer normalisation without scale and shift. */
export function plainLayerNorm(x: Tensor, epsilon = EPSILON): Tensor {
  const width = staticDimAt('layerNorm', x.shape, -1)
  const ones = x.graph.constant(new Float32Array(width).fill(1), [width])
  return layerNormalise(x, ones, undefined, epsilon)
}

/** x / sqrt(mean(x^2) + epsilon) * weight over the last axis (Zhang and Sennrich 2019). */
export function rmsNorm(p: Parameters, x: Tensor, epsilon = EPSILON): Tensor {
  const width = staticDimAt('rmsNorm', x.shape, -1)
  const inverse = reciprocal(sqrt(add(mean(square(x), { axes: [-1], keep: true }), epsilon)))
  return mul(mul(x, inverse), p.get('weight', [width], { kind: 'ones' }))
}

/**
 * Group normalisation (Wu and He 2018): statistics over each group of channels and all of space.
 * @param x [batch, channels, ...space]. @throws ShapeError where the channels do not divide into the groups.
 */
export function groupNorm(p: Parameters, x: Tensor, groups: number, epsilon = EPSILON): Tensor {
  const channels = staticDimAt('groupNorm', x.shape, 1)
  const space = x.shape.slice(2).map(() => 1)
  const weight = reshape(p.get('weight', [channels], { kind: 'ones' }), [channels, ...space])
  const bias = reshape(p.get('bias', [channels], { kind: 'zeros' }), [channels, ...space])
  return add(mul(plainGroupNorm(x, groups, epsilon), weight), bias)
}

/** Group normalisation without scale and shift. */
export function plainGroupNorm(x: Tensor, groups: number, epsilon = EPSILON): Tensor {
  const channels = staticDimAt('groupNorm', x.shape, 1)
  if (channels % groups !== 0)
    throw new ShapeError('groupNorm', [x.shape], `${channels} channels do not make ${groups} groups`)
  const values = productOfDims([channels / groups, ...x.shape.slice(2)])
  const rows = reshape(x, [dimAt('groupNorm', x.shape, 0), groups, values])
  return reshape(normaliseRows(rows, epsilon), x.shape)
}

/** Instance normalisation without scale and shift: each channel by itself (Ulyanov et al. 2016). */
export const instanceNorm = (x: Tensor, epsilon = EPSILON): Tensor =>
  plainGroupNorm(x, staticDimAt('instanceNorm', x.shape, 1), epsilon)
