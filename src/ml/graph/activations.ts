/** Activation functions and softmax. */
import { add, div, mul, sub } from './elementwise.js'
import { split } from './layout.js'
import { normalAxis, ShapeError, staticDimAt } from './shape.js'
import { float, int, type Tensor, text } from './tensor.js'

function unary(op: string, x: Tensor, attributes = {}): Tensor {
  return x.graph.emitOne(op, [x], { dtype: x.dtype, shape: x.shape }, attributes)
}

export const relu = (x: Tensor): Tensor => unary('Relu', x)
export const sigmoid = (x: Tensor): Tensor => unary('Sigmoid', x)
export const tanh = (x: Tensor): Tensor => unary('Tanh', x)
/** log(1 + exp(x)). */
export const softplus = (x: Tensor): Tensor => unary('Softplus', x)
/** x where positive, slope * x elsewhere. */
export const leakyRelu = (x: Tensor, slope: number): Tensor => unary('LeakyRelu', x, { alpha: float(slope) })
/** x sigmoid(x), also called swish (Ramachandran et al. 2017). */
export const silu = (x: Tensor): Tensor => mul(x, sigmoid(x))
/** x Phi(x), exactly, through erf (Hendrycks and Gimpel 2016). */
export const gelu = (x: Tensor): Tensor => unary('Gelu', x, { approximate: text('none') })
/** 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). */
export const geluTanh = (x: Tensor): Tensor => unary('Gelu', x, { approximate: text('tanh') })

/** a sigmoid(b), where x is [a, b] along an axis (Dauphin et al. 2017). @throws ShapeError for an odd axis. */
export function glu(x: Tensor, axis: number): Tensor {
  const at = normalAxis('glu', x.shape, axis)
  const size = staticDimAt('glu', x.shape, at)
  if (size % 2 !== 0) throw new ShapeError('glu', [x.shape], `axis ${axis} is odd`)
  const [a, b] = split(x, [size / 2, size / 2], at)
  if (a === undefined || b === undefined) throw new ShapeError('glu', [x.shape], 'needs two halves')
  return mul(a, sigmoid(b))
}

export function softmax(x: Tensor, axis = -1): Tensor {
  return unary('Softmax', x, { axis: int(normalAxis('softmax', x.shape, axis)) })
}

export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return unary('LogSoftmax', x, { axis: int(normalAxis('logSoftmax', x.shape, axis)) })
}

/** cap tanh(x / cap): scores that stay within +-cap. */
export const softCap = (x: Tensor, cap: number): Tensor => mul(tanh(div(x, cap)), cap)

/** a + t (b - a). */
export const lerp = (a: Tensor, b: Tensor, t: Tensor | number): Tensor => add(a, mul(sub(b, a), t))
