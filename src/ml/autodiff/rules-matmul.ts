/** Gradients of matrix products. With Y = A B: dA = dY B^T and dB = A^T dY, summed where a batch was broadcast. */
import { matmul, mergeAxes, type Node, sum, swapLast, type Tensor } from '../graph/index.js'
import { arrived, floatOf, intOf, operand, type Rule, sumToShape } from './rule.js'

interface Product {
  readonly transposeA: boolean
  readonly transposeB: boolean
  readonly scale: number
}

function productGradients(node: Node, gradient: Tensor, { transposeA, transposeB, scale }: Product) {
  const a = operand(node, 0)
  const b = operand(node, 1)
  const toA = transposeA
    ? matmul(b, gradient, { transposeA: transposeB, transposeB: true, scale })
    : matmul(gradient, b, { transposeB: !transposeB, scale })
  // A shared matrix on the right: one product over all rows instead of one an item and a sum.
  const shared = b.rank === 2 && a.rank > 2 && !transposeA
  const left = shared ? mergeAxes(a, 0, a.rank - 1) : a
  const right = shared ? mergeAxes(gradient, 0, gradient.rank - 1) : gradient
  const toB = transposeB
    ? fromTransposed(right, left, { transposeB: transposeA, scale })
    : transposeA
      ? matmul(left, right, { scale })
      : fromTransposed(left, right, { scale })
  return [sumToShape(toA, a.shape), sumToShape(toB, b.shape)]
}

/**
 * a^T b. In a batch of small matrices the kernel turns its first operand round slowly; where that is the wider one,
 * b^T a is made instead, from a copy of b (whose turn mostly merges with another one), and turned back.
 */
function fromTransposed(a: Tensor, b: Tensor, options: { transposeB?: boolean; scale: number }): Tensor {
  const { transposeB = false, scale } = options
  const width = a.shape.at(-1)
  const other = b.shape.at(transposeB ? -2 : -1)
  const narrower = typeof width === 'number' && typeof other === 'number' && other < width
  if (a.rank === 2 || transposeB || !narrower) return matmul(a, b, { transposeA: true, transposeB, scale })
  return swapLast(matmul(swapLast(b), a, { scale }))
}

export const matmulRules: Readonly<Record<string, Rule>> = {
  MatMul: (node, gradients) =>
    productGradients(node, arrived(node, gradients), { transposeA: false, transposeB: false, scale: 1 }),
  FusedMatMul: (node, gradients) =>
    productGradients(node, arrived(node, gradients), {
      transposeA: intOf(node, 'transA') === 1,
      transposeB: intOf(node, 'transB') === 1,
      scale: floatOf(node, 'alpha'),
    }),
  /** Only as `affine` writes it: Y = X W^T + b on two axes. */
  Gemm: (node, gradients) => {
    const gradient = arrived(node, gradients)
    return [
      matmul(gradient, operand(node, 1)),
      matmul(gradient, operand(node, 0), { transposeA: true }),
      node.inputs[2] === undefined ? undefined : sum(gradient, { axes: [0] }),
    ]
  },
}
