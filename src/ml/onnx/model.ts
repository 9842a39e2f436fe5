/**
 * A graph as an ONNX model. Field numbers are those of onnx.proto (ONNX 1.16+, IR version 10); the runtime checks the
 * result, and the tests decode it with the schema of the `onnx-proto` package.
 */

import { ONNX_TYPES } from '../graph/elementwise.js'
import {
  type Attribute,
  type Graph,
  type Initializer,
  type Node,
  reachableNodes,
  type Tensor,
} from '../graph/index.js'
import { MessageWriter } from './protobuf.js'

const IR_VERSION = 10
/** Gelu came with 20; Pad, Scan, Shape and the rest as we write them are at home in 21. */
const OPSET = 21
const MICROSOFT_OPSET = 1
/** AttributeProto.AttributeType. */
const ATTRIBUTE_TYPES = { float: 1, int: 2, text: 3, graph: 5, floats: 6, ints: 7 } as const
/** TensorProto.DataLocation.EXTERNAL. */
const EXTERNAL = 1
/** Protocol buffers end at 2 GiB; larger models keep their weights beside them. */
const MAX_MODEL_BYTES = 2 ** 31 - 1

/** @throws RangeError where inline weights make the model larger than the format allows. */
export function encodeModel(graph: Graph): Uint8Array {
  const model = new MessageWriter()
    .integer(1, IR_VERSION)
    .text(2, 'plumbline')
    .message(7, encodeGraph(graph))
    .message(8, new MessageWriter().text(1, '').integer(2, OPSET))
    .message(8, new MessageWriter().text(1, 'com.microsoft').integer(2, MICROSOFT_OPSET))
  if (model.byteLength > MAX_MODEL_BYTES)
    throw new RangeError(`the model has ${model.byteLength} bytes; keep its weights in external files`)
  return model.finish()
}

function encodeGraph(graph: Graph): MessageWriter {
  const message = new MessageWriter()
  const nodes = reachableNodes(
    graph,
    graph.outputs.map(({ tensor }) => tensor),
  )
  const used = new Set<Tensor>(graph.outputs.map(({ tensor }) => tensor))
  for (const node of nodes) for (const input of node.inputs) if (input !== undefined) used.add(input)
  for (const node of nodes) message.message(1, encodeNode(node))
  // Outputs carry the caller's names: one Identity each, which the runtime removes.
  for (const { name, tensor } of graph.outputs)
    message.message(
      1,
      new MessageWriter().text(1, tensor.name).text(2, name).text(3, `output ${name}`).text(4, 'Identity'),
    )
  message.text(2, graph.name)
  for (const [tensor, initializer] of graph.initializers)
    if (used.has(tensor)) message.message(5, encodeInitializer(initializer))
  for (const tensor of graph.inputs) message.message(11, encodeValue(tensor.name, tensor))
  for (const { name, tensor } of graph.outputs) message.message(12, encodeValue(name, tensor))
  return message
}

function encodeNode(node: Node): MessageWriter {
  const message = new MessageWriter()
  const names = node.inputs.map((input) => input?.name ?? '')
  while (names.at(-1) === '') names.pop()
  for (const name of names) message.text(1, name)
  for (const output of node.outputs) message.text(2, output.name)
  message.text(3, node.name).text(4, node.op)
  for (const [name, attribute] of Object.entries(node.attributes))
    message.message(5, encodeAttribute(name, attribute))
  if (node.domain !== '') message.text(7, node.domain)
  return message
}

function encodeAttribute(name: string, attribute: Attribute): MessageWriter {
  const message = new MessageWriter().text(1, name)
  switch (attribute.kind) {
    case 'float':
      message.float(2, attribute.value)
      break
    case 'int':
      message.integer(3, attribute.value)
      break
    case 'text':
      message.text(4, attribute.value)
      break
    case 'graph':
      message.message(6, encodeGraph(attribute.value))
      break
    case 'floats':
      for (const value of attribute.value) message.float(7, value)
      break
    case 'ints':
      message.integers(8, attribute.value)
      break
  }
  return message.integer(20, ATTRIBUTE_TYPES[attribute.kind])
}

function encodeInitializer({ tensor, source }: Initializer): MessageWriter {
  const message = new MessageWriter()
  for (const dim of tensor.shape) message.integer(1, Number(dim))
  message.integer(2, ONNX_TYPES[tensor.dtype]).text(8, tensor.name)
  if (source.kind === 'inline') {
    const { buffer, byteOffset, byteLength } = source.data
    return message.bytes(9, new Uint8Array(buffer, byteOffset, byteLength))
  }
  const entry = (key: string, value: string): MessageWriter => new MessageWriter().text(1, key).text(2, value)
  return message
    .message(13, entry('location', source.location))
    .message(13, entry('offset', String(source.offset)))
    .message(13, entry('length', String(source.length)))
    .integer(14, EXTERNAL)
}

function encodeValue(name: string, { dtype, shape }: Tensor): MessageWriter {
  const dims = new MessageWriter()
  for (const dim of shape)
    dims.message(
      1,
      typeof dim === 'number' ? new MessageWriter().integer(1, dim) : new MessageWriter().text(2, dim),
    )
  const tensorType = new MessageWriter().integer(1, ONNX_TYPES[dtype]).message(2, dims)
  return new MessageWriter().text(1, name).message(2, new MessageWriter().message(1, tensorType))
}
