/** Element by element: arithmetic, powers, comparisons, choices. Two operands broadcast as in NumPy. */
import { broadcastShapes, ShapeError } from './shape.js'
import { type DType, int, Tensor } from './tensor.js'

/** A tensor, or a number that takes the type of the other operand. */
export type Operand = Tensor | number

function pair(operation: string, a: Operand, b: Operand): readonly [Tensor, Tensor] {
  if (a instanceof Tensor) {
    const right = b instanceof Tensor ? b : a.graph.scalar(b, a.dtype)
    if (right.dtype !== a.dtype)
      throw new ShapeError(operation, [a.shape, right.shape], `mixes ${a.dtype} and ${right.dtype}`)
    return [a, right]
  }
  if (b instanceof Tensor) return [b.graph.scalar(a, b.dtype), b]
  throw new TypeError(`${operation} needs a tensor`)
}

function binary(operation: string, op: string, a: Operand, b: Operand, dtype?: DType): Tensor {
  const [left, right] = pair(operation, a, b)
  const shape = broadcastShapes(operation, left.shape, right.shape)
  return left.graph.emitOne(op, [left, right], { dtype: dtype ?? left.dtype, shape })
}

function unary(op: string, x: Tensor): Tensor {
  return x.graph.emitOne(op, [x], { dtype: x.dtype, shape: x.shape })
}

export const add = (a: Operand, b: Operand): Tensor => binary('add', 'Add', a, b)
export const sub = (a: Operand, b: Operand): Tensor => binary('sub', 'Sub', a, b)
export const mul = (a: Operand, b: Operand): Tensor => binary('mul', 'Mul', a, b)
export const div = (a: Operand, b: Operand): Tensor => binary('div', 'Div', a, b)
/** a to the power b; the gradient with respect to b is not defined here: b is a constant. */
export const pow = (a: Tensor, b: number): Tensor => binary('pow', 'Pow', a, b)
/** The greater of two; where they are equal the gradient goes to both, half each. */
export const maximum = (a: Operand, b: Operand): Tensor => binary('maximum', 'Max', a, b)
/** The lesser of two; where they are equal the gradient goes to both, half each. */
export const minimum = (a: Operand, b: Operand): Tensor => binary('minimum', 'Min', a, b)

export const neg = (x: Tensor): Tensor => unary('Neg', x)
export const exp = (x: Tensor): Tensor => unary('Exp', x)
export const log = (x: Tensor): Tensor => unary('Log', x)
export const sqrt = (x: Tensor): Tensor => unary('Sqrt', x)
export const reciprocal = (x: Tensor): Tensor => unary('Reciprocal', x)
export const erf = (x: Tensor): Tensor => unary('Erf', x)
export const sin = (x: Tensor): Tensor => unary('Sin', x)
export const cos = (x: Tensor): Tensor => unary('Cos', x)
/** |x|; the gradient at 0 is 0. */
export const abs = (x: Tensor): Tensor => unary('Abs', x)
/** -1, 0 or 1; its gradient is 0. */
export const sign = (x: Tensor): Tensor => unary('Sign', x)
export const floor = (x: Tensor): Tensor => unary('Floor', x)
/** x * x. */
export const square = (x: Tensor): Tensor => mul(x, x)
/** Values held to [low, high]; outside, the gradient is 0. */
export const clip = (x: Tensor, low: number, high: number): Tensor => minimum(maximum(x, low), high)

export const equal = (a: Operand, b: Operand): Tensor => binary('equal', 'Equal', a, b, 'bool')
export const less = (a: Operand, b: Operand): Tensor => binary('less', 'Less', a, b, 'bool')
export const lessEqual = (a: Operand, b: Operand): Tensor => binary('lessEqual', 'LessOrEqual', a, b, 'bool')
export const greater = (a: Operand, b: Operand): Tensor => binary('greater', 'Greater', a, b, 'bool')
export const and = (a: Tensor, b: Tensor): Tensor => binary('and', 'And', a, b, 'bool')
export const or = (a: Tensor, b: Tensor): Tensor => binary('or', 'Or', a, b, 'bool')
export const not = (x: Tensor): Tensor => unary('Not', x)

/** a where the condition holds, b elsewhere. @throws ShapeError for a condition that is not bool. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const [left, right] = pair('where', a, b)
  if (condition.dtype !== 'bool')
    throw new ShapeError('where', [condition.shape], `needs a bool condition, not ${condition.dtype}`)
  const shape = broadcastShapes('where', condition.shape, broadcastShapes('where', left.shape, right.shape))
  return left.graph.emitOne('Where', [condition, left, right], { dtype: left.dtype, shape })
}

/** ONNX's numbers for element types (onnx.proto, TensorProto.DataType). */
export const ONNX_TYPES: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
}

/** The same values in another type; between floating types it is differentiable. */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x
  return x.graph.emitOne('Cast', [x], { dtype, shape: x.shape }, { to: int(ONNX_TYPES[dtype]) })
}

/** The same value, through which no gradient flows. */
export function stopGradient(x: Tensor): Tensor {
  return withGradient(x, [], () => [])
}

/**
 * The value `x` with a gradient of our own.
 * @param backward from the gradient with respect to x to those with respect to `inputs`, in their order.
 */
export function withGradient(
  x: Tensor,
  inputs: readonly Tensor[],
  backward: (gradient: Tensor) => readonly (Tensor | undefined)[],
): Tensor {
  const [tensor] = x.graph.emit('Identity', [x], [{ dtype: x.dtype, shape: x.shape }], {}, '', {
    inputs,
    backward,
  })
  if (tensor === undefined) throw new Error('Identity made nothing')
  return tensor
}
