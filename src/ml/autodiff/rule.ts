/** What a differentiation rule is, and the help that rules share. */
import {
  type Attribute,
  type Node,
  reshape,
  type Shape,
  sameShape,
  sum,
  type Tensor,
} from '../graph/index.js'

/**
 * From the gradients with respect to a node's outputs (undefined where nothing flows back) to those with respect to
 * its inputs, in order; undefined where an input has none.
 */
export type Rule = (node: Node, gradients: readonly (Tensor | undefined)[]) => readonly (Tensor | undefined)[]

/** A gradient summed over the axes along which its operand was broadcast. */
export function sumToShape(gradient: Tensor, shape: Shape): Tensor {
  if (sameShape(gradient.shape, shape)) return gradient
  const lead = gradient.rank - shape.length
  const axes = gradient.shape.flatMap((dim, i) =>
    i < lead || (shape[i - lead] === 1 && dim !== 1) ? [i] : [],
  )
  const summed = sum(gradient, { axes, keep: true })
  return lead === 0 ? summed : reshape(summed, shape)
}

/** An operand that must be there. */
export function operand(node: Node, index: number): Tensor {
  const tensor = node.inputs[index]
  if (tensor === undefined) throw new Error(`${node.name} lacks operand ${index}`)
  return tensor
}

/** The node's first output. */
export function result(node: Node, index = 0): Tensor {
  const tensor = node.outputs[index]
  if (tensor === undefined) throw new Error(`${node.name} lacks output ${index}`)
  return tensor
}

/** The gradient that must have reached the node's first output. */
export function arrived(node: Node, gradients: readonly (Tensor | undefined)[]): Tensor {
  const [gradient] = gradients
  if (gradient === undefined) throw new Error(`no gradient reached ${node.name}`)
  return gradient
}

const missing = (node: Node, name: string): Error => new Error(`${node.name} lacks the attribute ${name}`)

function attribute<K extends Attribute['kind']>(
  node: Node,
  name: string,
  kind: K,
): Extract<Attribute, { kind: K }> {
  const found = node.attributes[name]
  if (found === undefined || found.kind !== kind) throw missing(node, name)
  return found as Extract<Attribute, { kind: K }>
}

export const intOf = (node: Node, name: string): number => attribute(node, name, 'int').value
export const floatOf = (node: Node, name: string): number => attribute(node, name, 'float').value
export const intsOf = (node: Node, name: string): readonly number[] => attribute(node, name, 'ints').value
export const textOf = (node: Node, name: string): string => attribute(node, name, 'text').value

/** The values of an int64 constant operand (axes, bounds). @throws Error for one computed at run time. */
export function constantInts(node: Node, index: number): readonly number[] {
  const tensor = operand(node, index)
  const source = tensor.graph.initializers.get(tensor)?.source
  if (source?.kind !== 'inline' || !(source.data instanceof BigInt64Array))
    throw new Error(`${node.name}: operand ${index} is not a constant`)
  return Array.from(source.data, Number)
}

/** A rule for one gradient in and one operand that matters. */
export function single(rule: (node: Node, gradient: Tensor) => Tensor): Rule {
  return (node, gradients) => [rule(node, arrived(node, gradients))]
}
