/**
 * Dropout that repeats: the graph reads stretches of one pool of uniform draws, at offsets that come from the seed and
 * the step. A step thus costs a few random numbers and not one for each element, and a resumed run drops the same.
 */
import { cast, elementCount, type Graph, gather, greater, mul, reshape, type Tensor } from '../graph/index.js'
import type { TensorValues } from '../session/session.js'
import { Random } from './random.js'

const POOL = 'noise.pool'
const OFFSETS = 'noise.offsets'
/** Starting places to choose from. */
const PLACES = 1 << 16

/** The noise that one graph asks for while it is built. */
export class Noise {
  readonly #graph: Graph
  #pool: Tensor | undefined
  #offsets: Tensor | undefined
  #sites = 0
  #longest = 0

  constructor(graph: Graph) {
    this.#graph = graph
  }

  /** x with a share `rate` of its elements 0 and the others scaled up (Srivastava et al. 2014). Static shapes. */
  dropout(x: Tensor, rate: number): Tensor {
    if (!(rate >= 0 && rate < 1)) throw new RangeError(`a dropout rate is in [0, 1), not ${rate}`)
    if (rate === 0) return x
    const kept = cast(greater(this.#uniform(x), rate), x.dtype)
    return mul(mul(x, kept), 1 / (1 - rate))
  }

  #uniform(like: Tensor): Tensor {
    const graph = this.#graph
    const count = elementCount('dropout', like.shape)
    this.#longest = Math.max(this.#longest, count)
    this.#pool ??= graph.input(POOL, 'float32', ['noise'])
    this.#offsets ??= graph.input(OFFSETS, 'int64', ['sites'])
    const start = gather(this.#offsets, graph.indices([this.#sites++]))
    const end = graph.emitOne('Add', [start, graph.indices([count])], { dtype: 'int64', shape: [1] })
    const stretch = graph.emitOne('Slice', [this.#pool, start, end], { dtype: 'float32', shape: [count] })
    return reshape(stretch, like.shape)
  }

  /** What the graph's runs need. */
  get demand(): NoiseDemand {
    return { sites: this.#sites, longest: this.#longest }
  }
}

export interface NoiseDemand {
  readonly sites: number
  readonly longest: number
}

/** Gives runs their noise. */
export class NoiseSource {
  readonly #seed: number
  #pool = new Float32Array(0)

  constructor(seed: number) {
    this.#seed = seed
  }

  /** Inputs for one run. @param moment what tells this run from all others: the step and the batch within it. */
  values({ sites, longest }: NoiseDemand, moment: string): TensorValues {
    if (sites === 0) return {}
    const needed = longest + PLACES
    if (this.#pool.length < needed) {
      // A longer pool begins with the shorter one's draws: growing it changes no run.
      const random = Random.named(this.#seed, 'pool')
      this.#pool = Float32Array.from({ length: needed }, () => random.uniform())
    }
    const random = Random.named(this.#seed, moment)
    const offsets = BigInt64Array.from({ length: sites }, () => BigInt(random.below(PLACES)))
    return {
      [POOL]: { dtype: 'float32', shape: [this.#pool.length], data: this.#pool },
      [OFFSETS]: { dtype: 'int64', shape: [sites], data: offsets },
    }
  }
}
