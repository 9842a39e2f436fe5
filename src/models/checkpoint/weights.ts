/**
 * A model's parameters out of a checkpoint. What is missing, surplus or of another shape is collected while the model
 * is built and told in one error, with the file's name and the names as they stand in the file.
 */
import { printable, refuse } from '../../ml/files/refuse.js'
import { cast, type Graph, printShape, type Tensor } from '../../ml/graph/index.js'
import { type Parameters, ScopedParameters, type WeightTable } from '../../ml/layers/parameters.js'
import type { WeightFiles } from './weight-files.js'

export interface CheckpointWeightsOptions {
  /** From the name in the model's definition to that in the file. */
  readonly storedName?: (name: string) => string
  /** Weights that become inputs of the graph, by the model's names: those that are exchanged while it runs. */
  readonly isInput?: (name: string) => boolean
  /** Tensors of the file that this model leaves alone, by the file's names. */
  readonly isIgnored?: (stored: string) => boolean
}

/** Enough to see what is wrong; a checkpoint of another family differs in every name. */
const SHOWN_FAULTS = 12

export class CheckpointWeights implements WeightTable {
  readonly #files: WeightFiles
  readonly #options: CheckpointWeightsOptions
  readonly #made = new Map<string, Tensor>()
  readonly #used = new Set<string>()
  readonly #faults: string[] = []

  constructor(
    readonly graph: Graph,
    files: WeightFiles,
    options: CheckpointWeightsOptions = {},
  ) {
    this.#files = files
    this.#options = options
  }

  parameters(): Parameters {
    return new ScopedParameters(this)
  }

  weight(name: string, shape: readonly number[]): Tensor {
    const known = this.#made.get(name)
    if (known !== undefined) return known
    const tensor = this.#make(name, shape)
    this.#made.set(name, tensor)
    return tensor
  }

  /** @throws UserError where the checkpoint does not hold exactly what was asked for. */
  finish(): void {
    const { isIgnored = () => false } = this.#options
    for (const stored of this.#files.names)
      if (!this.#used.has(stored) && !isIgnored(stored)) this.#faults.push(`surplus ${printable(stored)}`)
    if (this.#faults.length === 0) return
    const shown = this.#faults.slice(0, SHOWN_FAULTS).join('; ')
    const more = this.#faults.length - SHOWN_FAULTS
    throw refuse(
      this.#files.path,
      `does not hold the tensors of this model: ${shown}${more > 0 ? `; and ${more} more` : ''}`,
      { remedy: 'check that config.json and the weights belong together' },
    )
  }

  #make(name: string, shape: readonly number[]): Tensor {
    const { storedName = (given) => given, isInput = () => false } = this.#options
    const stored = storedName(name)
    const found = this.#files.lookup(stored)
    this.#used.add(stored)
    const fits = found?.shape.length === shape.length && found.shape.every((size, i) => size === shape[i])
    if (found === undefined) this.#faults.push(`missing ${stored} ${printShape(shape)}`)
    else if (!fits)
      this.#faults.push(`${stored} is ${printShape(found.shape)} instead of ${printShape(shape)}`)
    // A stand-in lets the rest be built, so that all faults are found.
    if (isInput(name) || found === undefined || !fits) return this.graph.input(name, 'float32', shape)
    return cast(this.graph.initializer(name, found.dtype, shape, found.source), 'float32')
  }
}
