/** Sums, means and extremes over axes, and the running sum. */
import { productOfDims } from './dims.js'
import { normalAxis, type Shape, ShapeError } from './shape.js'
import { int, type Tensor } from './tensor.js'

export interface ReduceOptions {
  /** Axes to go over; all of them unless told. Negative ones count from the back. */
  readonly axes?: readonly number[]
  /** Keep the axes with size 1. */
  readonly keep?: boolean
}

function reduced(operation: string, x: Tensor, { axes, keep = false }: ReduceOptions) {
  const over = (axes ?? x.shape.map((_, i) => i)).map((axis) => normalAxis(operation, x.shape, axis))
  const shape: Shape = x.shape.flatMap((dim, i) => (over.includes(i) ? (keep ? [1] : []) : [dim]))
  return { over, shape, keep }
}

function reduce(op: string, operation: string, x: Tensor, options: ReduceOptions): Tensor {
  const { over, shape, keep } = reduced(operation, x, options)
  if (over.length === 0) return x
  return x.graph.emitOne(
    op,
    [x, x.graph.indices(over)],
    { dtype: x.dtype, shape },
    { keepdims: int(keep ? 1 : 0) },
  )
}

export const sum = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce('ReduceSum', 'sum', x, options)
export const mean = (x: Tensor, options: ReduceOptions = {}): Tensor =>
  reduce('ReduceMean', 'mean', x, options)
/** The greatest; its gradient is shared by equal ones. */
export const max = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce('ReduceMax', 'max', x, options)

/** Population variance (divided by n). */
export function variance(x: Tensor, options: ReduceOptions = {}): Tensor {
  const centred = x.graph.emitOne('Sub', [x, mean(x, { ...options, keep: true })], {
    dtype: x.dtype,
    shape: x.shape,
  })
  const squared = x.graph.emitOne('Mul', [centred, centred], { dtype: x.dtype, shape: x.shape })
  return mean(squared, options)
}

/** The index of the greatest along an axis (the first of equals); int64. */
export function argMax(x: Tensor, axis: number, keep = false): Tensor {
  const { over, shape } = reduced('argMax', x, { axes: [axis], keep })
  return x.graph.emitOne(
    'ArgMax',
    [x],
    { dtype: 'int64', shape },
    { axis: int(over[0] ?? 0), keepdims: int(keep ? 1 : 0) },
  )
}

/** The running sum along an axis. */
export function cumulativeSum(x: Tensor, axis: number, options: { reverse?: boolean } = {}): Tensor {
  const at = normalAxis('cumulativeSum', x.shape, axis)
  return x.graph.emitOne(
    'CumSum',
    [x, x.graph.scalar(at, 'int64')],
    { dtype: x.dtype, shape: x.shape },
    { reverse: int(options.reverse === true ? 1 : 0) },
  )
}

/** log sum exp over one axis, safe for large values. */
export function logSumExp(x: Tensor, axis: number, keep = false): Tensor {
  const { shape } = reduced('logSumExp', x, { axes: [axis], keep })
  if (productOfDims(shape) === 0) throw new ShapeError('logSumExp', [x.shape], 'has no element')
  return reduce('ReduceLogSumExp', 'logSumExp', x, { axes: [axis], keep })
}
