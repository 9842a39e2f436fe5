/** Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019) over one flat vector of parameters. */

export interface AdamOptions {
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
  /** 0 unless told. */
  readonly weightDecay?: number
  /** Decay the weights themselves (AdamW, unless told) or add it to the gradient (Adam with L2). */
  readonly decoupled?: boolean
  /** Stretches of the vector that are treated otherwise: no decay for biases and norms, other rates, frozen ones. */
  readonly groups?: readonly ParameterGroup[]
}

/** Elements [start, end) of the vector. Stretches do not overlap; what they leave out is as the options say. */
export interface ParameterGroup {
  readonly start: number
  readonly end: number
  readonly weightDecay?: number
  /** A factor on the rate; 0 leaves the stretch and its moments alone. */
  readonly rateScale?: number
}

export interface AdamState {
  readonly step: number
  readonly mean: Float32Array
  readonly square: Float32Array
}

export class Adam {
  readonly #beta1: number
  readonly #beta2: number
  readonly #epsilon: number
  readonly #decoupled: boolean
  readonly #groups: readonly Required<ParameterGroup>[]
  readonly #mean: Float32Array
  readonly #square: Float32Array
  #step = 0

  /** @param size of the vector. @throws RangeError for stretches outside it or over one another. */
  constructor(size: number, options: AdamOptions = {}) {
    const { weightDecay = 0, groups = [] } = options
    this.#beta1 = options.beta1 ?? 0.9
    this.#beta2 = options.beta2 ?? 0.999
    this.#epsilon = options.epsilon ?? 1e-8
    this.#decoupled = options.decoupled ?? true
    this.#groups = covering(size, groups, weightDecay)
    this.#mean = new Float32Array(size)
    this.#square = new Float32Array(size)
  }

  /** The moments themselves, not copies. */
  get state(): AdamState {
    return { step: this.#step, mean: this.#mean, square: this.#square }
  }

  /** @throws RangeError for moments of another size. */
  restore({ step, mean, square }: AdamState): void {
    if (mean.length !== this.#mean.length || square.length !== this.#square.length)
      throw new RangeError(`moments of ${mean.length} parameters for ${this.#mean.length}`)
    this.#step = step
    this.#mean.set(mean)
    this.#square.set(square)
  }

  /**
   * One update, in place. With weight decay that is not decoupled the gradient is changed too.
   * @param gradientScale a factor on the gradient: clipping, or the mean over accumulated batches.
   */
  update(parameters: Float32Array, gradient: Float32Array, rate: number, gradientScale = 1): void {
    if (parameters.length !== this.#mean.length || gradient.length !== this.#mean.length)
      throw new RangeError(
        `${parameters.length} parameters, ${gradient.length} gradients for ${this.#mean.length}`,
      )
    this.#step++
    const beta1 = this.#beta1
    const beta2 = this.#beta2
    const epsilon = this.#epsilon
    const mean = this.#mean
    const square = this.#square
    // Products and not quotients: this loop is a tenth of a training step.
    const rootCorrection = 1 / Math.sqrt(1 - beta2 ** this.#step)
    const fresh1 = 1 - beta1
    const fresh2 = 1 - beta2
    for (const { start, end, weightDecay, rateScale } of this.#groups) {
      if (rateScale === 0) continue
      const stepSize = (rate * rateScale) / (1 - beta1 ** this.#step)
      const keep = this.#decoupled ? 1 - rate * rateScale * weightDecay : 1
      if (!this.#decoupled && weightDecay !== 0)
        addDecay(parameters, gradient, start, end, weightDecay / gradientScale)
      for (let i = start; i < end; i++) {
        const slope = (gradient[i] as number) * gradientScale
        const m = beta1 * (mean[i] as number) + fresh1 * slope
        const v = beta2 * (square[i] as number) + fresh2 * slope * slope
        mean[i] = m
        square[i] = v
        parameters[i] =
          (parameters[i] as number) * keep - (stepSize * m) / (Math.sqrt(v) * rootCorrection + epsilon)
      }
    }
  }
}

/** The L2 term, into the gradient. */
function addDecay(
  parameters: Float32Array,
  gradient: Float32Array,
  start: number,
  end: number,
  weightDecay: number,
): void {
  for (let i = start; i < end; i++)
    gradient[i] = (gradient[i] as number) + weightDecay * (parameters[i] as number)
}

/** The stretches in order, with what lies between them filled in. */
function covering(
  size: number,
  groups: readonly ParameterGroup[],
  weightDecay: number,
): readonly Required<ParameterGroup>[] {
  const result: Required<ParameterGroup>[] = []
  let at = 0
  for (const group of [...groups].sort((a, b) => a.start - b.start)) {
    if (group.start < at || group.end > size || group.end < group.start)
      throw new RangeError(`a stretch [${group.start}, ${group.end}) after ${at} of ${size}`)
    if (group.start > at) result.push({ start: at, end: group.start, weightDecay, rateScale: 1 })
    result.push({ weightDecay, rateScale: 1, ...group })
    at = group.end
  }
  if (at < size) result.push({ start: at, end: size, weightDecay, rateScale: 1 })
  return result
}
