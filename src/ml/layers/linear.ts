/** The affine layer and the table of embeddings. */
import { affine, gather, staticDimAt, type Tensor } from '../graph/index.js'
import type { Initial, Parameters } from './parameters.js'

export interface LinearOptions {
  /** A bias unless told. */
  readonly bias?: boolean
  /** Uniform in +-1/sqrt(in) unless told, as PyTorch's. */
  readonly initial?: Initial
}

/**
 * x W^T + b over the last axis; parameters `weight` [out, in], `bias` [out].
 * @param x [..., in]. @returns [..., out].
 */
export function linear(p: Parameters, x: Tensor, out: number, options: LinearOptions = {}): Tensor {
  const width = staticDimAt('linear', x.shape, -1)
  const bound: Initial = { kind: 'uniform', bound: 1 / Math.sqrt(width) }
  const weight = p.get('weight', [out, width], options.initial ?? bound)
  const bias = options.bias === false ? undefined : p.get('bias', [out], bound)
  return affine(x, weight, bias)
}

/**
 * Rows of a table; parameter `weight` [count, width].
 * @param ids int64, any shape. @returns [...ids, width].
 */
export function embedding(
  p: Parameters,
  ids: Tensor,
  count: number,
  width: number,
  initial: Initial = { kind: 'normal', deviation: 0.02 },
): Tensor {
  return gather(p.get('weight', [count, width], initial), ids)
}
