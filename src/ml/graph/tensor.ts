/** The values that flow through a graph, the nodes that make them, and their attributes. */
import type { Graph } from './graph.js'
import { printShape, type Shape } from './shape.js'

/** Element types, spelled as onnxruntime's tensors spell them. */
export type DType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int64'
  | 'int32'
  | 'int8'
  | 'uint8'
  | 'bool'

export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'graph'; readonly value: Graph }

export type Attributes = Readonly<Record<string, Attribute>>

export const int = (value: number): Attribute => ({ kind: 'int', value })
export const float = (value: number): Attribute => ({ kind: 'float', value })
export const text = (value: string): Attribute => ({ kind: 'text', value })
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value })
export const subgraph = (value: Graph): Attribute => ({ kind: 'graph', value })

/** ONNX's own operators, or onnxruntime's additions. */
export type Domain = '' | 'com.microsoft'

/**
 * A gradient of our own for a value: from the gradient with respect to that value to those with respect to `inputs`.
 * It replaces the rules of whatever computed the value.
 */
export interface CustomGradient {
  readonly inputs: readonly Tensor[]
  readonly backward: (gradient: Tensor) => readonly (Tensor | undefined)[]
}

/** One operation. Inputs left out (ONNX optional inputs) are undefined. */
export interface Node {
  readonly op: string
  readonly domain: Domain
  readonly name: string
  readonly inputs: readonly (Tensor | undefined)[]
  readonly outputs: readonly Tensor[]
  readonly attributes: Attributes
  readonly gradient?: CustomGradient
}

/** A value of known type and shape. It belongs to one graph. */
export class Tensor {
  /** What makes it; undefined for inputs, constants and initializers. */
  node: Node | undefined

  constructor(
    readonly graph: Graph,
    readonly name: string,
    readonly dtype: DType,
    readonly shape: Shape,
  ) {}

  get rank(): number {
    return this.shape.length
  }

  toString(): string {
    return `${this.name} ${this.dtype}${printShape(this.shape)}`
  }
}

export type FloatArray = Float32Array | Float64Array
/** What a constant or an initializer may hold, in the machine's (little-endian) order. */
export type TensorData =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | Int32Array
  | Int8Array
  | Uint8Array
  | Uint16Array
