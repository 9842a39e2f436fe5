/**
 * A graph under construction: inputs, constants, weights, nodes in the order they were made, outputs. The functions
 * beside this file (`add`, `matmul`, `conv`...) check shapes and add nodes to the graph of their operands.
 */
import { type Shape, ShapeError } from './shape.js'
import {
  type Attributes,
  type CustomGradient,
  type Domain,
  type DType,
  type Node,
  Tensor,
  type TensorData,
} from './tensor.js'

/** Where an initializer's bytes are: here, or in a file beside the model (which is never read by the writer). */
export type InitializerSource =
  | { readonly kind: 'inline'; readonly data: TensorData }
  | {
      readonly kind: 'external'
      /** A path relative to the model's folder. */
      readonly location: string
      /** Bytes from the start of that file. */
      readonly offset: number
      readonly length: number
      /** Reads the values where a pass over the graph (quantisation) needs them. */
      readonly load?: () => TensorData
    }

export interface Initializer {
  readonly tensor: Tensor
  readonly source: InitializerSource
}

/** The type and shape of a node's output. */
export interface OutputSpec {
  readonly dtype: DType
  readonly shape: Shape
}

export class Graph {
  readonly inputs: Tensor[] = []
  readonly outputs: { readonly name: string; readonly tensor: Tensor }[] = []
  readonly nodes: Node[] = []
  readonly initializers = new Map<Tensor, Initializer>()
  readonly #names = new Set<string>()
  readonly #scalars = new Map<string, Tensor>()
  readonly #scope: string[] = []
  /** Where the size of a symbolic dimension can be read when the graph runs. */
  readonly #symbols = new Map<string, { readonly tensor: Tensor; readonly axis: number }>()
  #serial = 0

  /**
   * @param name of the model, as it appears in the file.
   * @param prefix in front of every name; a graph within a graph must not repeat the outer one's names.
   */
  constructor(
    readonly name = 'graph',
    readonly prefix = '',
  ) {}

  /** A graph to go into an attribute of one of this graph's nodes. */
  nested(name: string): Graph {
    return new Graph(name, `${this.prefix}${name}_${this.#serial++}/`)
  }

  /** A value given at each run. Sizes may be names: `graph.input('audio', 'float32', ['batch', 'time'])`. */
  input(name: string, dtype: DType, shape: Shape): Tensor {
    const tensor = this.#tensor(this.#claim(name), dtype, shape)
    this.inputs.push(tensor)
    return tensor
  }

  /** Names a value that a run returns. */
  output(name: string, tensor: Tensor): Tensor {
    if (this.outputs.some((output) => output.name === name)) throw new Error(`two outputs are called ${name}`)
    if (tensor.graph !== this) throw new Error(`${tensor} belongs to another graph`)
    this.outputs.push({ name, tensor })
    return tensor
  }

  /** A value fixed in the graph. @throws ShapeError where the data does not fill the shape. */
  constant(data: TensorData, shape: readonly number[], dtype: DType = dtypeOf(data)): Tensor {
    return this.initializer(`constant_${this.#serial++}`, dtype, shape, { kind: 'inline', data })
  }

  /** A scalar, shared between all that ask for the same one. */
  scalar(value: number, dtype: DType = 'float32'): Tensor {
    const key = `${dtype} ${Object.is(value, -0) ? '-0' : value}`
    const known = this.#scalars.get(key)
    if (known !== undefined) return known
    const data =
      dtype === 'int64'
        ? BigInt64Array.of(BigInt(value))
        : dtype === 'int32'
          ? Int32Array.of(value)
          : dtype === 'float64'
            ? Float64Array.of(value)
            : dtype === 'bool' || dtype === 'uint8'
              ? Uint8Array.of(value)
              : dtype === 'int8'
                ? Int8Array.of(value)
                : Float32Array.of(value)
    const tensor = this.constant(data, [], dtype)
    this.#scalars.set(key, tensor)
    return tensor
  }

  /** A 1-D int64 constant: shapes, axes, indices. */
  indices(values: readonly number[]): Tensor {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length])
  }

  /** A weight stored with the model. @throws ShapeError where inline data does not fill the shape. */
  initializer(name: string, dtype: DType, shape: readonly number[], source: InitializerSource): Tensor {
    const count = shape.reduce((product, size) => product * size, 1)
    if (source.kind === 'inline' && source.data.length !== count)
      throw new ShapeError(name, [shape], `has ${source.data.length} values for ${count} places`)
    const tensor = this.#tensor(this.#claim(name), dtype, shape)
    this.initializers.set(tensor, { tensor, source })
    return tensor
  }

  /**
   * Adds a node. The callers check shapes; this checks only that the operands are of this graph.
   * @returns its outputs, in order.
   */
  emit(
    op: string,
    inputs: readonly (Tensor | undefined)[],
    outputs: readonly OutputSpec[],
    attributes: Attributes = {},
    domain: Domain = '',
    gradient?: CustomGradient,
  ): readonly Tensor[] {
    const name = [...this.#scope, `${op}_${this.#serial++}`].join('.')
    for (const input of inputs)
      if (input !== undefined && input.graph !== this)
        throw new Error(`${name}: ${input} belongs to another graph`)
    const tensors = outputs.map(({ dtype, shape }, i) =>
      this.#tensor(this.#claim(i === 0 ? name : `${name}:${i}`), dtype, shape),
    )
    const node: Node = {
      op,
      domain,
      name,
      inputs,
      outputs: tensors,
      attributes,
      ...(gradient === undefined ? {} : { gradient }),
    }
    for (const tensor of tensors) tensor.node = node
    this.nodes.push(node)
    return tensors
  }

  /** As {@link emit}, for the many nodes of one output. */
  emitOne(
    op: string,
    inputs: readonly (Tensor | undefined)[],
    output: OutputSpec,
    attributes: Attributes = {},
    domain: Domain = '',
  ): Tensor {
    const [tensor] = this.emit(op, inputs, [output], attributes, domain)
    if (tensor === undefined) throw new Error(`${op} made nothing`)
    return tensor
  }

  /** Runs `build` with a name in front of its nodes' names, so that a runtime's complaint says where. */
  scoped<T>(scope: string, build: () => T): T {
    this.#scope.push(scope)
    try {
      return build()
    } catch (error) {
      if (error instanceof ShapeError && !error.message.startsWith('in '))
        error.message = `in ${this.#scope.join('.')}: ${error.message}`
      throw error
    } finally {
      this.#scope.pop()
    }
  }

  /** A tensor and axis whose size a symbolic dimension is; undefined where no tensor has it. */
  symbolSource(dim: string): { readonly tensor: Tensor; readonly axis: number } | undefined {
    return this.#symbols.get(dim)
  }

  #tensor(name: string, dtype: DType, shape: Shape): Tensor {
    const tensor = new Tensor(this, name, dtype, shape)
    shape.forEach((dim, axis) => {
      if (typeof dim === 'string' && !this.#symbols.has(dim)) this.#symbols.set(dim, { tensor, axis })
    })
    return tensor
  }

  #claim(name: string): string {
    if (name === '') throw new Error('a tensor needs a name')
    if (this.#names.has(name)) throw new Error(`two tensors are called ${name}`)
    this.#names.add(name)
    return this.prefix + name
  }
}

function dtypeOf(data: TensorData): DType {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof Float64Array) return 'float64'
  if (data instanceof BigInt64Array) return 'int64'
  if (data instanceof Int32Array) return 'int32'
  if (data instanceof Int8Array) return 'int8'
  if (data instanceof Uint16Array) return 'float16'
  return 'uint8'
}

/**
 * The nodes that the given values need, in an order that runs.
 * @param follow which of a node's operands count; all of them unless told.
 */
export function reachableNodes(
  graph: Graph,
  targets: readonly Tensor[],
  follow: (node: Node) => readonly (Tensor | undefined)[] = (node) => node.inputs,
): readonly Node[] {
  const wanted = new Set<Node>()
  const stack = targets.flatMap((tensor) => (tensor.node === undefined ? [] : [tensor.node]))
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (wanted.has(node)) continue
    wanted.add(node)
    for (const input of follow(node)) if (input?.node !== undefined) stack.push(input.node)
  }
  return graph.nodes.filter((node) => wanted.has(node))
}
