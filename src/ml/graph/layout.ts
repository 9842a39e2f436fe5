/** The same values in another arrangement: reshape, transpose, slice, pad, concat, split, expand. */
import {
  addDims,
  type Dim,
  type DimFactor,
  dissectDim,
  multiplyDims,
  productOfDims,
  subtractDims,
} from './dims.js'
import {
  broadcastShapes,
  dimAt,
  normalAxis,
  type Shape,
  ShapeError,
  sameShape,
  staticDimAt,
} from './shape.js'
import { int, ints, type Tensor, text } from './tensor.js'

/** A size as an int64 tensor [1]: read off a tensor that has it, or computed from sizes that can be. */
function dimTensor(operation: string, like: Tensor, dim: Dim, shape: Shape): Tensor {
  const { graph } = like
  if (typeof dim === 'number') return graph.indices([dim])
  const scalar = { dtype: 'int64' as const, shape: [1] }
  const source = graph.symbolSource(dim)
  if (source !== undefined)
    return graph.emitOne('Shape', [source.tensor], scalar, {
      start: int(source.axis),
      end: int(source.axis + 1),
    })
  const { terms, constant } = dissectDim(dim)
  const [only] = terms
  if (terms.length === 1 && only?.coefficient === 1 && constant === 0 && typeof only.factors[0] === 'string')
    if (only.factors.length === 1)
      throw new ShapeError(operation, [like.shape, shape], `no tensor has the size ${dim}`)
  const factorOf = (factor: DimFactor): Tensor =>
    typeof factor === 'string'
      ? dimTensor(operation, like, factor, shape)
      : graph.emitOne(
          'Div',
          [dimTensor(operation, like, factor.dividend, shape), graph.indices([factor.divisor])],
          scalar,
        )
  return terms.reduce(
    (total, { coefficient, factors }) => {
      const product = factors.reduce(
        (sofar, factor) => graph.emitOne('Mul', [sofar, factorOf(factor)], scalar),
        graph.indices([coefficient]),
      )
      return graph.emitOne('Add', [total, product], scalar)
    },
    graph.indices([constant]),
  )
}

/** A 1-D int64 tensor holding a shape, computed when the graph runs where sizes are symbolic. */
export function shapeTensor(operation: string, like: Tensor, shape: Shape): Tensor {
  const { graph } = like
  if (shape.every((dim) => typeof dim === 'number')) return graph.indices(shape)
  const parts = shape.map((dim) => dimTensor(operation, like, dim, shape))
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  return graph.emitOne('Concat', parts, { dtype: 'int64', shape: [parts.length] }, { axis: int(0) })
}

/**
 * The same values in row-major order under another shape.
 * @throws ShapeError where the number of elements differs.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x
  if (productOfDims(x.shape) !== productOfDims(shape))
    throw new ShapeError('reshape', [x.shape, shape], 'the number of elements differs')
  const symbolic = shape.filter((dim) => typeof dim === 'string')
  const wanted =
    symbolic.length === 1
      ? x.graph.indices(shape.map((dim) => (typeof dim === 'number' ? dim : -1)))
      : shapeTensor('reshape', x, shape)
  return x.graph.emitOne('Reshape', [x, wanted], { dtype: x.dtype, shape })
}

/** Axes in another order: `transpose(x, [0, 2, 1])`. @throws ShapeError where it is not an order of the axes. */
export function transpose(x: Tensor, order: readonly number[]): Tensor {
  if (order.length !== x.rank || [...order].sort((a, b) => a - b).some((axis, i) => axis !== i))
    throw new ShapeError('transpose', [x.shape], `[${order.join(', ')}] is no order of its axes`)
  if (order.every((axis, i) => axis === i)) return x
  // Of two in a row one does the work of both.
  const inner = x.node?.op === 'Transpose' && x.node.gradient === undefined ? x.node : undefined
  const [source] = inner?.inputs ?? []
  const perm = inner?.attributes.perm
  if (source !== undefined && perm?.kind === 'ints')
    return transpose(
      source,
      order.map((axis) => perm.value[axis] ?? axis),
    )
  const shape = order.map((axis) => dimAt('transpose', x.shape, axis))
  return x.graph.emitOne('Transpose', [x], { dtype: x.dtype, shape }, { perm: ints(order) })
}

/** The last two axes exchanged. */
export function swapLast(x: Tensor): Tensor {
  const order = x.shape.map((_, i) => i)
  const [a, b] = order.splice(-2)
  if (a === undefined || b === undefined) throw new ShapeError('swapLast', [x.shape], 'needs two axes')
  return transpose(x, [...order, b, a])
}

/** A new axis of size 1, so that it is axis `axis` of the result. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const at = axis < 0 ? axis + x.rank + 1 : axis
  const shape = [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]
  return x.graph.emitOne('Unsqueeze', [x, x.graph.indices([at])], { dtype: x.dtype, shape })
}

/** Without an axis of size 1. @throws ShapeError for an axis of another size. */
export function squeeze(x: Tensor, axis: number): Tensor {
  const at = normalAxis('squeeze', x.shape, axis)
  if (x.shape[at] !== 1) throw new ShapeError('squeeze', [x.shape], `axis ${axis} is not of size 1`)
  const shape = x.shape.filter((_, i) => i !== at)
  return x.graph.emitOne('Squeeze', [x, x.graph.indices([at])], { dtype: x.dtype, shape })
}

/** One after another along an axis. @throws ShapeError where the other axes differ. */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const [first, ...rest] = parts
  if (first === undefined) throw new RangeError('concat needs a tensor')
  const at = normalAxis('concat', first.shape, axis)
  if (rest.length === 0) return first
  let along: Dim = dimAt('concat', first.shape, at)
  for (const part of rest) {
    const fits =
      part.rank === first.rank &&
      part.dtype === first.dtype &&
      part.shape.every((d, i) => i === at || d === first.shape[i])
    if (!fits)
      throw new ShapeError(
        'concat',
        [first.shape, part.shape],
        `shapes differ outside axis ${at}, or types do`,
      )
    along = addDims(along, dimAt('concat', part.shape, at))
  }
  const shape = first.shape.map((dim, i) => (i === at ? along : dim))
  return first.graph.emitOne('Concat', parts, { dtype: first.dtype, shape }, { axis: int(at) })
}

/** Pieces of the given sizes along an axis. @throws ShapeError where the sizes do not add up. */
export function split(x: Tensor, sizes: readonly number[], axis: number): readonly Tensor[] {
  const at = normalAxis('split', x.shape, axis)
  const whole = staticDimAt('split', x.shape, at)
  if (sizes.reduce((sum, size) => sum + size, 0) !== whole)
    throw new ShapeError(
      'split',
      [x.shape],
      `pieces [${sizes.join(', ')}] of axis ${at} do not make ${whole}`,
    )
  if (sizes.length === 1) return [x]
  return x.graph.emit(
    'Split',
    [x, x.graph.indices(sizes)],
    sizes.map((size) => ({ dtype: x.dtype, shape: x.shape.map((dim, i) => (i === at ? size : dim)) })),
    { axis: int(at) },
  )
}

/**
 * Elements start, start + step, ... below end along an axis. `end` may be a symbolic size of the axis minus a
 * number: `slice(x, 2, 0, addDims(time, -1))`.
 * @throws ShapeError for bounds outside the axis.
 */
export function slice(x: Tensor, axis: number, start: number, end: Dim, step = 1): Tensor {
  const at = normalAxis('slice', x.shape, axis)
  const whole = dimAt('slice', x.shape, at)
  const left = subtractDims(whole, end)
  if (typeof left === 'string' || left < 0 || start < 0 || step < 1)
    throw new ShapeError('slice', [x.shape], `[${start}:${end}:${step}] does not lie in axis ${at}`)
  if (start === 0 && left === 0 && step === 1) return x
  const span = subtractDims(end, start)
  if (typeof span === 'number' && span < 0)
    throw new ShapeError('slice', [x.shape], `[${start}:${end}] of axis ${at} is negative`)
  if (typeof span === 'string' && step !== 1)
    throw new ShapeError('slice', [x.shape], `needs a size for ${span} to take every ${step}th`)
  const size = typeof span === 'number' ? Math.ceil(span / step) : span
  // An end counted from the back serves a symbolic size too; 0 from the back needs "to the end".
  const last = typeof end === 'number' ? end : left === 0 ? Number.MAX_SAFE_INTEGER : -left
  const { graph } = x
  return graph.emitOne(
    'Slice',
    [x, graph.indices([start]), graph.indices([last]), graph.indices([at]), graph.indices([step])],
    { dtype: x.dtype, shape: x.shape.map((dim, i) => (i === at ? size : dim)) },
  )
}

/** What lies around a tensor along an axis; negative amounts cut. */
export interface PadAmount {
  readonly axis: number
  readonly before: number
  readonly after: number
}

/** The tensor with `value` around it, or cut. @throws ShapeError where more is cut than there is. */
export function pad(x: Tensor, amounts: readonly PadAmount[], value = 0): Tensor {
  const before = x.shape.map(() => 0)
  const after = x.shape.map(() => 0)
  for (const amount of amounts) {
    const at = normalAxis('pad', x.shape, amount.axis)
    before[at] = amount.before
    after[at] = amount.after
  }
  if ([...before, ...after].every((n) => n === 0)) return x
  const shape = x.shape.map((dim, i) => addDims(dim, (before[i] ?? 0) + (after[i] ?? 0)))
  if (shape.some((dim) => typeof dim === 'number' && dim < 0))
    throw new ShapeError('pad', [x.shape, shape], 'cuts more than there is')
  const { graph } = x
  return graph.emitOne(
    'Pad',
    [x, graph.indices([...before, ...after]), graph.scalar(value, x.dtype)],
    { dtype: x.dtype, shape },
    { mode: text('constant') },
  )
}

/** Broadcast to a shape. @throws ShapeError where it does not broadcast to exactly that. */
export function expand(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x
  if (!sameShape(broadcastShapes('expand', x.shape, shape), shape))
    throw new ShapeError('expand', [x.shape, shape], 'the first does not broadcast to the second')
  return x.graph.emitOne('Expand', [x, shapeTensor('expand', x, shape)], { dtype: x.dtype, shape })
}

/** A tensor of one value. */
export function full(like: Tensor, shape: Shape, value: number): Tensor {
  return expand(like.graph.scalar(value, like.dtype), shape)
}

/** 0, 1, 2, ... below a size that may be symbolic; int64, 1-D. */
export function iota(like: Tensor, size: Dim): Tensor {
  const { graph } = like
  if (typeof size === 'number') return graph.indices(Array.from({ length: size }, (_, i) => i))
  const [limit] = [shapeTensor('iota', like, [size])]
  return graph.emitOne('Range', [graph.scalar(0, 'int64'), squeeze(limit, 0), graph.scalar(1, 'int64')], {
    dtype: 'int64',
    shape: [size],
  })
}

/** The axes from `from` up to `to` (exclusive) made one. */
export function mergeAxes(x: Tensor, from: number, to: number): Tensor {
  const merged = x.shape.slice(from, to).reduce<Dim>(multiplyDims, 1)
  return reshape(x, [...x.shape.slice(0, from), merged, ...x.shape.slice(to)])
}
