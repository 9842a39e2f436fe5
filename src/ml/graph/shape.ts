/** Shapes and their rules; every complaint names the operation and the shapes it was given. */
import { type Dim, productOfDims } from './dims.js'

export type Shape = readonly Dim[]

export const printShape = (shape: Shape): string => `[${shape.join(', ')}]`

/** A graph that cannot be built. The message names the operation, where it is, and the shapes. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError'
  constructor(
    readonly operation: string,
    readonly shapes: readonly Shape[],
    reason: string,
  ) {
    super(`${operation}: ${reason} (${shapes.map(printShape).join(', ')})`)
  }
}

/** NumPy broadcasting. A symbolic size meets only itself or 1. @throws ShapeError where they do not fit. */
export function broadcastShapes(operation: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  const result: Dim[] = []
  for (let i = 0; i < rank; i++) {
    const left = a[i - rank + a.length] ?? 1
    const right = b[i - rank + b.length] ?? 1
    if (left !== right && left !== 1 && right !== 1)
      throw new ShapeError(operation, [a, b], `sizes ${left} and ${right} do not broadcast`)
    result.push(left === 1 ? right : left)
  }
  return result
}

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((dim, i) => dim === b[i])

/** The shape as numbers. @throws ShapeError where a size is symbolic. */
export function staticShape(operation: string, shape: Shape): readonly number[] {
  return shape.map((dim) => {
    if (typeof dim !== 'number') throw new ShapeError(operation, [shape], `needs a size for ${dim}`)
    return dim
  })
}

/** Elements of a static shape. @throws ShapeError where a size is symbolic. */
export function elementCount(operation: string, shape: Shape): number {
  const count = productOfDims(shape)
  if (typeof count !== 'number') throw new ShapeError(operation, [shape], `needs a size for ${count}`)
  return count
}

/** An axis counted from the front. @throws ShapeError for an axis the shape does not have. */
export function normalAxis(operation: string, shape: Shape, axis: number): number {
  const normal = axis < 0 ? axis + shape.length : axis
  if (!Number.isInteger(axis) || normal < 0 || normal >= shape.length)
    throw new ShapeError(operation, [shape], `has no axis ${axis}`)
  return normal
}

/** The size along an axis counted from the front. */
export function dimAt(operation: string, shape: Shape, axis: number): Dim {
  const dim = shape[normalAxis(operation, shape, axis)]
  if (dim === undefined) throw new ShapeError(operation, [shape], `has no axis ${axis}`)
  return dim
}

/** The size along an axis, where it must be known. */
export function staticDimAt(operation: string, shape: Shape, axis: number): number {
  const dim = dimAt(operation, shape, axis)
  if (typeof dim !== 'number') throw new ShapeError(operation, [shape], `needs a size for ${dim}`)
  return dim
}
