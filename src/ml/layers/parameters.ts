/**
 * Where a layer's weights come from. A model is a function of its parameters, so one definition trains (the weights
 * are inputs, see train/) and serves (they are stored with the graph): it asks for each by name and shape.
 */
import {
  cast,
  type DType,
  type Graph,
  type InitializerSource,
  printShape,
  type Tensor,
} from '../graph/index.js'

/** How a weight starts when it is trained from nothing (train/initialise.ts draws them). */
export type Initial =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly deviation: number }
  | { readonly kind: 'uniform'; readonly bound: number }

export interface Parameters {
  readonly graph: Graph
  /** The weight called so. @throws Error where it does not exist or has another shape. */
  get(name: string, shape: readonly number[], initial?: Initial): Tensor
  /** Those whose names begin with `prefix.`: `parameters.at('encoder.layers.0').at('fc1')`. */
  at(prefix: string | number): Parameters
}

const join = (prefix: string, name: string): string => (prefix === '' ? name : `${prefix}.${name}`)

/** Prefixes over a table of weights. */
export class ScopedParameters implements Parameters {
  readonly #table: WeightTable
  readonly #prefix: string

  constructor(table: WeightTable, prefix = '') {
    this.#table = table
    this.#prefix = prefix
  }

  get graph(): Graph {
    return this.#table.graph
  }

  get(name: string, shape: readonly number[], initial: Initial = { kind: 'zeros' }): Tensor {
    return this.#table.weight(join(this.#prefix, name), shape, initial)
  }

  at(prefix: string | number): Parameters {
    return new ScopedParameters(this.#table, join(this.#prefix, String(prefix)))
  }
}

/** Weights by full name, in one graph. */
export interface WeightTable {
  readonly graph: Graph
  weight(name: string, shape: readonly number[], initial: Initial): Tensor
}

/** A stored weight: what it is and where its bytes are. */
export interface StoredWeight {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly source: InitializerSource
}

/** Weights of a checkpoint, which become initializers of the graph; half precision is widened when the graph loads. */
export class StoredWeights implements WeightTable {
  readonly #lookup: (name: string) => StoredWeight | undefined
  readonly #made = new Map<string, Tensor>()

  constructor(
    readonly graph: Graph,
    lookup: (name: string) => StoredWeight | undefined,
  ) {
    this.#lookup = lookup
  }

  /** The names asked for so far: what remains in the checkpoint is surplus. */
  get used(): ReadonlySet<string> {
    return new Set(this.#made.keys())
  }

  weight(name: string, shape: readonly number[]): Tensor {
    const known = this.#made.get(name)
    if (known !== undefined) return known
    const stored = this.#lookup(name)
    if (stored === undefined) throw new Error(`the checkpoint lacks ${name} ${printShape(shape)}`)
    if (stored.shape.length !== shape.length || stored.shape.some((size, i) => size !== shape[i]))
      throw new Error(
        `${name} is ${printShape(stored.shape)} in the checkpoint, the model needs ${printShape(shape)}`,
      )
    const tensor = cast(this.graph.initializer(name, stored.dtype, shape, stored.source), 'float32')
    this.#made.set(name, tensor)
    return tensor
  }

  parameters(): Parameters {
    return new ScopedParameters(this)
  }
}
