/**
 * A training run: batches in, updates out. One update is: gradients of one or more batches, averaged; clipped by their
 * norm; Adam at the schedule's rate; the moving average. Everything random comes from the seed and the update's
 * number, so a run saved and resumed is the run that was never interrupted.
 */
import { Adam, type AdamOptions, type ParameterGroup } from '../optim/adam.js'
import { clipFactor, norm } from '../optim/clip.js'
import { followStudent } from '../optim/ema.js'
import type { Schedule } from '../optim/schedules.js'
import type { TensorValues } from '../session/session.js'
import { Cache } from './cache.js'
import { loadTrainingState, saveTrainingState, saveWeights } from './checkpoint.js'
import type { ParameterEntry, ParameterLayout } from './flat-parameters.js'
import { NoiseSource } from './noise.js'
import { type CompileOptions, type StepResult, type TrainedModel, TrainStep } from './train-step.js'

export interface TrainerOptions {
  readonly model: TrainedModel
  /** Any batch: its shapes make the first graph, and with it the parameters. */
  readonly example: TensorValues
  readonly rate: Schedule
  readonly seed: number
  readonly adam?: Omit<AdamOptions, 'groups'>
  /** Which parameters decay; those of two axes or more unless told: no biases, no norms. */
  readonly decays?: (entry: ParameterEntry) => boolean
  /** A factor on a parameter's rate; 1 unless told. */
  readonly rateScale?: (entry: ParameterEntry) => number
  /** Parameters that get no gradient, by name. */
  readonly isFrozen?: (name: string) => boolean
  /** The greatest norm of a gradient; not clipped unless told. */
  readonly clip?: number
  /** The moving average's decay at an update; none is kept unless told. */
  readonly averageDecay?: Schedule
  readonly threads?: number
  readonly runtime?: CompileOptions['runtime']
  /** Graphs kept at a time, one for each set of shapes. */
  readonly graphs?: number
}

export interface UpdateResult {
  /** Mean over the batches. */
  readonly loss: number
  /** Of the averaged gradient, before clipping. */
  readonly gradientNorm: number
  readonly rate: number
  /** Each batch's own values. */
  readonly batches: readonly StepResult[]
}

const DEFAULT_GRAPHS = 16

/** A gradient that is no number would spoil every parameter: the update is refused and nothing has changed. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError'
  constructor(
    readonly update: number,
    readonly loss: number,
    readonly gradientNorm: number,
  ) {
    super(`update ${update}: loss ${loss}, gradient norm ${gradientNorm}`)
  }
}

export class Trainer {
  readonly layout: ParameterLayout
  readonly frozenLayout: ParameterLayout
  /** The parameters themselves; what is written here trains on. */
  readonly parameters: Float32Array
  readonly frozen: Float32Array
  /** The moving average, where one is kept. */
  readonly average: Float32Array | undefined
  readonly #options: TrainerOptions
  readonly #adam: Adam
  readonly #noise: NoiseSource
  readonly #steps: Cache<TrainStep>
  readonly #gradient: Float32Array
  readonly #total: Float32Array
  #update = 0

  /** @throws ShapeError where the model does not fit the example. */
  static async open(options: TrainerOptions): Promise<Trainer> {
    const steps = new Cache<TrainStep>(options.graphs ?? DEFAULT_GRAPHS)
    const first = await steps.get(keyOf(options.example, false), () =>
      compile(options, options.example, false),
    )
    return new Trainer(options, steps, first)
  }

  private constructor(options: TrainerOptions, steps: Cache<TrainStep>, first: TrainStep) {
    this.#options = options
    this.#steps = steps
    this.layout = first.layout
    this.frozenLayout = first.frozenLayout
    this.parameters = first.layout.initialise(options.seed)
    this.frozen = first.frozenLayout.initialise(options.seed)
    this.average = options.averageDecay === undefined ? undefined : this.parameters.slice()
    this.#adam = new Adam(this.layout.size, { ...options.adam, groups: groupsOf(options, this.layout) })
    this.#noise = new NoiseSource(options.seed)
    this.#gradient = new Float32Array(this.layout.size)
    this.#total = new Float32Array(this.layout.size)
  }

  /** Updates done. */
  get update(): number {
    return this.#update
  }

  /** Graphs compiled and kept. */
  get graphs(): number {
    return this.#steps.size
  }

  /**
   * One update from one batch, or from several whose gradients are averaged.
   * @throws DivergedError where the loss or the gradient is not finite; parameters are as before.
   */
  async step(...batches: readonly TensorValues[]): Promise<UpdateResult> {
    if (batches.length === 0) throw new RangeError('an update needs a batch')
    const results: StepResult[] = []
    for (const [i, batch] of batches.entries()) {
      const into = i === 0 ? this.#total : this.#gradient
      const step = await this.#compiled(batch, false)
      const noise = this.#noise.values(step.noise, `${this.#update}/${i}`)
      results.push(await step.run(this.parameters, this.frozen, { ...batch, ...noise }, into))
      if (i > 0) addInto(this.#total, this.#gradient)
    }
    const loss = results.reduce((total, result) => total + result.loss, 0) / batches.length
    const mean = 1 / batches.length
    const gradientNorm = norm(this.#total) * mean
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
      throw new DivergedError(this.#update, loss, gradientNorm)
    const { clip, rate: schedule, averageDecay } = this.#options
    const factor = clip === undefined ? 1 : clipFactor(gradientNorm, clip)
    const rate = schedule(this.#update)
    this.#adam.update(this.parameters, this.#total, rate, mean * factor)
    if (this.average !== undefined && averageDecay !== undefined)
      followStudent(this.average, this.parameters, averageDecay(this.#update))
    this.#update++
    return { loss, gradientNorm, rate, batches: results }
  }

  /** A batch's loss and metrics without dropout. @param parameters the current ones unless told. */
  async evaluate(batch: TensorValues, parameters: Float32Array = this.parameters): Promise<StepResult> {
    const step = await this.#compiled(batch, true)
    return step.run(parameters, this.frozen, batch)
  }

  /** Writes all that {@link resume} needs. */
  async save(path: string, extra: Readonly<Record<string, string>> = {}): Promise<void> {
    await saveTrainingState(path, {
      parameters: this.parameters,
      frozen: this.frozen,
      adam: this.#adam.state,
      average: this.average,
      update: this.#update,
      seed: this.#options.seed,
      signature: this.#signature,
      extra,
    })
  }

  /**
   * Goes on from a saved state. @returns what the caller had added.
   * @throws UserError where it is damaged; Error where it is of another model, seed or kind.
   */
  async resume(path: string): Promise<Readonly<Record<string, string>>> {
    const state = await loadTrainingState(path)
    if (state.signature !== this.#signature) throw new Error(`${path} is of a model with other parameters`)
    if (state.seed !== this.#options.seed)
      throw new Error(`${path} was trained with seed ${state.seed}, not ${this.#options.seed}`)
    if ((state.average === undefined) !== (this.average === undefined))
      throw new Error(`${path} ${state.average === undefined ? 'has no' : 'has a'} moving average`)
    this.#adam.restore(state.adam)
    this.parameters.set(state.parameters)
    this.frozen.set(state.frozen)
    if (state.average !== undefined) this.average?.set(state.average)
    this.#update = state.update
    return state.extra
  }

  /** Writes the trained weights (or their average) under their names, for serving. */
  async exportWeights(path: string, values: Float32Array = this.average ?? this.parameters): Promise<void> {
    await saveWeights(path, this.layout, values)
  }

  async close(): Promise<void> {
    await this.#steps.close()
  }

  get #signature(): string {
    return `${this.layout.signature} | ${this.frozenLayout.signature}`
  }

  async #compiled(batch: TensorValues, evaluation: boolean): Promise<TrainStep> {
    const step = await this.#steps.get(keyOf(batch, evaluation), () =>
      compile(this.#options, batch, evaluation),
    )
    if (step.layout.signature !== this.layout.signature)
      throw new Error('the model has other parameters for these shapes')
    return step
  }
}

function compile(options: TrainerOptions, batch: TensorValues, evaluation: boolean): Promise<TrainStep> {
  const { model, isFrozen, threads, runtime } = options
  return TrainStep.compile(model, batch, {
    evaluation,
    ...(isFrozen === undefined ? {} : { isFrozen }),
    ...(threads === undefined ? {} : { threads }),
    ...(runtime === undefined ? {} : { runtime }),
  })
}

function keyOf(batch: TensorValues, evaluation: boolean): string {
  const shapes = Object.keys(batch)
    .sort()
    .map((name) => `${name}[${batch[name]?.shape.join()}]`)
  return `${evaluation ? 'evaluation' : 'training'} ${shapes.join(' ')}`
}

function groupsOf(options: TrainerOptions, layout: ParameterLayout): readonly ParameterGroup[] {
  const { decays = (entry: ParameterEntry) => entry.shape.length > 1, rateScale = () => 1, adam } = options
  return layout.entries.map((entry) => ({
    start: entry.offset,
    end: entry.offset + entry.size,
    weightDecay: decays(entry) ? (adam?.weightDecay ?? 0) : 0,
    rateScale: rateScale(entry),
  }))
}

function addInto(total: Float32Array, part: Float32Array): void {
  for (let i = 0; i < total.length; i++) total[i] = (total[i] as number) + (part[i] as number)
}
