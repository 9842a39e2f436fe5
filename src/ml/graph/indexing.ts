/** Rows by number, elements by number, and their reverse: scatter. Indices are int64. */
import { dimAt, normalAxis, type Shape, ShapeError, sameShape, staticDimAt } from './shape.js'
import { float, int, type Tensor, text } from './tensor.js'

function needIndices(operation: string, indices: Tensor): void {
  if (indices.dtype !== 'int64')
    throw new ShapeError(operation, [indices.shape], `indices are int64, not ${indices.dtype}`)
}

/** Slices of `x` along an axis, chosen by indices of any shape, which takes the axis's place. */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  needIndices('gather', indices)
  const at = normalAxis('gather', x.shape, axis)
  const shape: Shape = [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)]
  return x.graph.emitOne('Gather', [x, indices], { dtype: x.dtype, shape }, { axis: int(at) })
}

/**
 * out[i, j, ...] = x[i, index[i, j, ...], ...] along an axis, as torch.gather.
 * @throws ShapeError where another axis of the index exceeds or differs from x's.
 */
export function gatherElements(x: Tensor, indices: Tensor, axis: number): Tensor {
  needIndices('gatherElements', indices)
  const at = normalAxis('gatherElements', x.shape, axis)
  if (indices.rank !== x.rank || indices.shape.some((dim, i) => i !== at && dim !== x.shape[i]))
    throw new ShapeError('gatherElements', [x.shape, indices.shape], `differ outside axis ${at}`)
  return x.graph.emitOne(
    'GatherElements',
    [x, indices],
    { dtype: x.dtype, shape: indices.shape },
    { axis: int(at) },
  )
}

/**
 * `x` with updates added at the places that {@link gatherElements} would read; places may repeat. The kernel adds in
 * order on one thread, so results do not depend on the thread count (ScatterND with "add" races on several).
 */
export function scatterAdd(x: Tensor, indices: Tensor, updates: Tensor, axis: number): Tensor {
  needIndices('scatterAdd', indices)
  const at = normalAxis('scatterAdd', x.shape, axis)
  if (!sameShape(indices.shape, updates.shape) || indices.rank !== x.rank)
    throw new ShapeError('scatterAdd', [x.shape, indices.shape, updates.shape], 'indices and updates differ')
  return x.graph.emitOne(
    'ScatterElements',
    [x, indices, updates],
    { dtype: x.dtype, shape: x.shape },
    { axis: int(at), reduction: text('add') },
  )
}

/** A last axis of `classes` places, 1 at the index and 0 elsewhere; an index outside gives only zeros. */
export function oneHot(indices: Tensor, classes: number): Tensor {
  needIndices('oneHot', indices)
  const { graph } = indices
  // A comparison and not ONNX's OneHot, which counts negative indices from the back.
  const range = graph.constant(
    BigInt64Array.from({ length: classes }, (_, i) => BigInt(i)),
    [classes],
  )
  const column = graph.emitOne('Unsqueeze', [indices, graph.indices([indices.rank])], {
    dtype: indices.dtype,
    shape: [...indices.shape, 1],
  })
  const hit = graph.emitOne('Equal', [column, range], { dtype: 'bool', shape: [...indices.shape, classes] })
  return graph.emitOne('Cast', [hit], { dtype: 'float32', shape: hit.shape }, { to: int(1) })
}

/** Below this many rows a product with a one-hot matrix sums gradients faster than scattering them. */
const ONE_HOT_ROWS = 1024

/**
 * Rows of a table summed at their numbers: out[v] = sum of rows[i] where indices[i] = v; the gradient of
 * {@link gather} along axis 0.
 * @param rows [n, width]. @param indices [n]. @returns [count, width].
 */
export function sumRowsAt(rows: Tensor, indices: Tensor, count: number): Tensor {
  const { graph } = rows
  const width = staticDimAt('sumRowsAt', rows.shape, 1)
  const n = dimAt('sumRowsAt', rows.shape, 0)
  if (count <= ONE_HOT_ROWS)
    return graph.emitOne(
      'FusedMatMul',
      [oneHot(indices, count), rows],
      { dtype: rows.dtype, shape: [count, width] },
      { transA: int(1), transB: int(0), alpha: float(1) },
      'com.microsoft',
    )
  const zeros = graph.emitOne('Expand', [graph.scalar(0, rows.dtype), graph.indices([count, width])], {
    dtype: rows.dtype,
    shape: [count, width],
  })
  const column = graph.emitOne('Unsqueeze', [indices, graph.indices([1])], {
    dtype: indices.dtype,
    shape: [n, 1],
  })
  const places = graph.emitOne('Expand', [column, graph.indices([1, width])], {
    dtype: indices.dtype,
    shape: [n, width],
  })
  return scatterAdd(zeros, places, rows, 0)
}

/** The k greatest along the last axis, and where they are. */
export function topK(x: Tensor, k: number): { readonly values: Tensor; readonly indices: Tensor } {
  const shape = [...x.shape.slice(0, -1), k]
  const [values, indices] = x.graph.emit(
    'TopK',
    [x, x.graph.indices([k])],
    [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ],
    { axis: int(-1) },
  )
  if (values === undefined || indices === undefined) throw new Error('TopK made nothing')
  return { values, indices }
}
