/** Matrix products: batched, with either side transposed in place, and the affine map of a linear layer. */

import { productOfDims } from './dims.js'
import { reshape } from './layout.js'
import { broadcastShapes, dimAt, type Shape, ShapeError } from './shape.js'
import { float, int, type Tensor } from './tensor.js'

export interface MatmulOptions {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
  /** A factor on the product. */
  readonly scale?: number
}

/**
 * a b over the last two axes, the axes before them broadcast. Transposition costs no copy (onnxruntime FusedMatMul).
 * @throws ShapeError where the inner sizes differ.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false, scale = 1 } = options
  if (a.rank < 2 || b.rank < 2)
    throw new ShapeError('matmul', [a.shape, b.shape], 'needs two axes on each side')
  const rows = dimAt('matmul', a.shape, transposeA ? -1 : -2)
  const inner = dimAt('matmul', a.shape, transposeA ? -2 : -1)
  const innerB = dimAt('matmul', b.shape, transposeB ? -1 : -2)
  const columns = dimAt('matmul', b.shape, transposeB ? -2 : -1)
  if (inner !== innerB)
    throw new ShapeError('matmul', [a.shape, b.shape], `inner sizes ${inner} and ${innerB} differ`)
  const batch = broadcastShapes('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2))
  const output = { dtype: a.dtype, shape: [...batch, rows, columns] }
  if (!transposeA && !transposeB && scale === 1) return a.graph.emitOne('MatMul', [a, b], output)
  return a.graph.emitOne(
    'FusedMatMul',
    [a, b],
    output,
    { transA: int(transposeA ? 1 : 0), transB: int(transposeB ? 1 : 0), alpha: float(scale) },
    'com.microsoft',
  )
}

/**
 * x W^T + b over the last axis, as PyTorch's linear: weight [out, in], bias [out].
 * Static shapes become one Gemm over all rows; symbolic ones a product and a sum.
 * @throws ShapeError where x's last axis is not the weight's.
 */
export function affine(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const width = dimAt('linear', weight.shape, 1)
  const out = dimAt('linear', weight.shape, 0)
  if (dimAt('linear', x.shape, -1) !== width)
    throw new ShapeError(
      'linear',
      [x.shape, weight.shape],
      `rows have ${x.shape.at(-1)} values, the weight ${width}`,
    )
  if (bias !== undefined && (bias.rank !== 1 || bias.shape[0] !== out))
    throw new ShapeError('linear', [weight.shape, bias.shape], 'the bias does not fit the weight')
  const lead: Shape = x.shape.slice(0, -1)
  const rows = productOfDims(lead)
  if (typeof rows !== 'number' || x.rank < 2) {
    const product = matmul(x.rank < 2 ? reshape(x, [1, width]) : x, weight, { transposeB: true })
    const shaped = x.rank < 2 ? reshape(product, [out]) : product
    if (bias === undefined) return shaped
    return x.graph.emitOne('Add', [shaped, bias], { dtype: x.dtype, shape: shaped.shape })
  }
  const flat = reshape(x, [rows, width])
  const y = x.graph.emitOne(
    'Gemm',
    bias === undefined ? [flat, weight] : [flat, weight, bias],
    { dtype: x.dtype, shape: [rows, out] },
    { transB: int(1) },
  )
  return reshape(y, [...lead, out])
}
