/**
 * Reverse-mode differentiation: walks a graph backwards from a scalar and adds, in the same graph, the nodes that
 * compute its gradients. What comes out is plain ONNX (Baydin et al. 2018, "Automatic differentiation in machine
 * learning: a survey", section 3.2).
 */
import { add, full, type Node, reachableNodes, ShapeError, type Tensor } from '../graph/index.js'
import { rules } from './rules.js'

/** What a node's gradient flows to: its operands, or those its own gradient names. */
const flowsTo = (node: Node): readonly (Tensor | undefined)[] => node.gradient?.inputs ?? node.inputs

const isFloating = (tensor: Tensor): boolean => tensor.dtype === 'float32' || tensor.dtype === 'float64'

/**
 * The gradient of a scalar with respect to each of the tensors, in their order and shapes; zeros for one that the
 * scalar does not depend on.
 * @throws ShapeError where `loss` has more than one element.
 * @throws Error naming an operation without a gradient that lies between.
 */
export function gradients(loss: Tensor, withRespectTo: readonly Tensor[]): readonly Tensor[] {
  if (loss.rank !== 0) throw new ShapeError('gradients', [loss.shape], 'the loss is a scalar')
  const { graph } = loss
  const nodes = reachableNodes(graph, [loss], flowsTo)
  const depends = new Set<Tensor>(withRespectTo)
  for (const node of nodes)
    if (flowsTo(node).some((input) => input !== undefined && isFloating(input) && depends.has(input)))
      for (const output of node.outputs) depends.add(output)

  const pending = new Map<Tensor, Tensor[]>([[loss, [graph.scalar(1, loss.dtype)]]])
  const settled = new Map<Tensor, Tensor>()
  const settle = (tensor: Tensor): Tensor | undefined => {
    const known = settled.get(tensor)
    if (known !== undefined) return known
    const parts = pending.get(tensor)
    if (parts === undefined) return undefined
    const total = parts.reduce((sum, part) => add(sum, part))
    settled.set(tensor, total)
    return total
  }

  graph.scoped('gradient', () => {
    for (const node of [...nodes].reverse()) {
      if (!node.outputs.some((output) => depends.has(output))) continue
      const given = node.outputs.map(settle)
      if (given.every((gradient) => gradient === undefined)) continue
      const inputs = flowsTo(node)
      const backward = (): readonly (Tensor | undefined)[] => {
        if (node.gradient !== undefined) {
          const [gradient] = given
          return gradient === undefined ? [] : node.gradient.backward(gradient)
        }
        const rule = rules[node.op]
        if (rule === undefined) throw new Error(`${node.name}: ${node.op} has no gradient`)
        return rule(node, given)
      }
      backward().forEach((gradient, i) => {
        const input = inputs[i]
        if (gradient === undefined || input === undefined || !depends.has(input)) return
        if (
          gradient.shape.length !== input.shape.length ||
          gradient.shape.some((d, k) => d !== input.shape[k])
        )
          throw new ShapeError(
            `gradient of ${node.name}`,
            [gradient.shape, input.shape],
            'does not fit its operand',
          )
        const parts = pending.get(input)
        if (parts === undefined) pending.set(input, [gradient])
        else parts.push(gradient)
      })
    }
  })
  return withRespectTo.map((tensor) => settle(tensor) ?? full(tensor, tensor.shape, 0))
}
