/**
 * Parameters in training: inputs of the graph that are views of one flat vector, so that an optimiser, an average or
 * a checkpoint sees one Float32Array, and nothing is copied on the way into the graph or out of it.
 */
import { type Graph, printShape, type Tensor } from '../graph/index.js'
import { type Initial, type Parameters, ScopedParameters, type WeightTable } from '../layers/parameters.js'
import type { TensorValue } from '../session/session.js'
import { initialise } from './initialise.js'

export interface ParameterEntry {
  readonly name: string
  readonly shape: readonly number[]
  /** Place in the flat vector, in elements. */
  readonly offset: number
  readonly size: number
  readonly initial: Initial
}

/** What lies where in a flat vector. */
export class ParameterLayout {
  readonly entries: readonly ParameterEntry[]
  readonly size: number

  constructor(entries: readonly ParameterEntry[]) {
    this.entries = entries
    this.size = entries.reduce((total, entry) => total + entry.size, 0)
  }

  /** Fresh values for every parameter. */
  initialise(seed: number): Float32Array {
    const flat = new Float32Array(this.size)
    for (const entry of this.entries) initialise(this.view(flat, entry), entry.initial, seed, entry.name)
    return flat
  }

  /** A parameter's stretch of a flat vector; writing to it writes to the vector. */
  view(flat: Float32Array, { offset, size }: ParameterEntry): Float32Array {
    return flat.subarray(offset, offset + size)
  }

  /** @throws Error for a name the layout does not have. */
  entry(name: string): ParameterEntry {
    const found = this.entries.find((entry) => entry.name === name)
    if (found === undefined) throw new Error(`there is no parameter ${name}`)
    return found
  }

  /** Every parameter as a value that shares the flat vector's memory, under a prefix. */
  values(flat: Float32Array, prefix: string): Record<string, TensorValue> {
    const values: Record<string, TensorValue> = {}
    for (const entry of this.entries)
      values[prefix + entry.name] = { dtype: 'float32', shape: entry.shape, data: this.view(flat, entry) }
    return values
  }

  /** What tells two layouts apart: names, shapes, order. */
  get signature(): string {
    return this.entries.map(({ name, shape }) => `${name}${printShape(shape)}`).join(' ')
  }
}

/** Prefix of the graph inputs that parameters are. */
export const PARAMETER_PREFIX = 'parameter.'

/** Declares parameters as a model asks for them. */
export class FlatParameters implements WeightTable {
  readonly #entries = { trained: [] as ParameterEntry[], frozen: [] as ParameterEntry[] }
  readonly #offsets = { trained: 0, frozen: 0 }
  readonly #tensors = new Map<string, Tensor>()
  readonly #isFrozen: (name: string) => boolean

  /** @param isFrozen which parameters get no gradient; they make a vector of their own. */
  constructor(
    readonly graph: Graph,
    isFrozen: (name: string) => boolean = () => false,
  ) {
    this.#isFrozen = isFrozen
  }

  weight(name: string, shape: readonly number[], initial: Initial): Tensor {
    const known = this.#tensors.get(name)
    if (known !== undefined) {
      if (known.shape.join() !== shape.join())
        throw new Error(`${name} is both ${printShape(known.shape)} and ${printShape(shape)}`)
      return known
    }
    const kind = this.#isFrozen(name) ? 'frozen' : 'trained'
    const size = shape.reduce((product, extent) => product * extent, 1)
    this.#entries[kind].push({ name, shape, offset: this.#offsets[kind], size, initial })
    this.#offsets[kind] += size
    const tensor = this.graph.input(PARAMETER_PREFIX + name, 'float32', shape)
    this.#tensors.set(name, tensor)
    return tensor
  }

  parameters(): Parameters {
    return new ScopedParameters(this)
  }

  /** The tensors of the trained parameters, in the layout's order. */
  get trainedTensors(): readonly Tensor[] {
    return this.#entries.trained.flatMap(({ name }) => this.#tensors.get(name) ?? [])
  }

  layout(kind: 'trained' | 'frozen' = 'trained'): ParameterLayout {
    return new ParameterLayout(this.#entries[kind])
  }
}
