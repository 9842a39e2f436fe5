/** A model's loss and gradients as one graph for one set of input shapes. */
import { gradients } from '../autodiff/index.js'
import { type DType, Graph, ShapeError, type Tensor } from '../graph/index.js'
import type { Parameters } from '../layers/parameters.js'
import { encodeModel } from '../onnx/model.js'
import { Session, type SessionOptions, type TensorValue, type TensorValues } from '../session/session.js'
import { FlatParameters, PARAMETER_PREFIX, type ParameterLayout } from './flat-parameters.js'
import { Noise, type NoiseDemand } from './noise.js'

/** What a model is given to build itself with. */
export interface BuildContext {
  readonly graph: Graph
  readonly parameters: Parameters
  readonly inputs: Readonly<Record<string, Tensor>>
  /** The input of that name. @throws Error where the batch has none. */
  readonly input: (name: string) => Tensor
  /** Dropout in training; x itself in evaluation. */
  readonly dropout: (x: Tensor, rate: number) => Tensor
  readonly training: boolean
}

export interface LossAndMetrics {
  /** A scalar. */
  readonly loss: Tensor
  /** Other values to read from each run. */
  readonly metrics?: Readonly<Record<string, Tensor>>
}

/** A model in training: from a batch to a loss. */
export type TrainedModel = (context: BuildContext) => LossAndMetrics

export interface CompileOptions extends SessionOptions {
  readonly isFrozen?: (name: string) => boolean
  /** Without gradients and dropout. */
  readonly evaluation?: boolean
}

export interface StepResult {
  readonly loss: number
  readonly metrics: Readonly<Record<string, TensorValue>>
}

const GRADIENT_PREFIX = 'gradient.'
const METRIC_PREFIX = 'metric.'
const LOSS = 'loss'

export interface InputSpec {
  readonly dtype: DType
  readonly shape: readonly number[]
}

export class TrainStep {
  readonly layout: ParameterLayout
  readonly frozenLayout: ParameterLayout
  readonly noise: NoiseDemand
  readonly #session: Session

  private constructor(
    session: Session,
    layouts: { readonly trained: ParameterLayout; readonly frozen: ParameterLayout },
    noise: NoiseDemand,
  ) {
    this.#session = session
    this.layout = layouts.trained
    this.frozenLayout = layouts.frozen
    this.noise = noise
  }

  /** @throws ShapeError where the model does not fit the inputs, or its loss is no scalar. */
  static async compile(
    model: TrainedModel,
    inputs: Readonly<Record<string, InputSpec>>,
    options: CompileOptions = {},
  ): Promise<TrainStep> {
    const { isFrozen, evaluation = false, ...sessionOptions } = options
    const { graph, table, noise } = buildTraining(model, inputs, {
      evaluation,
      ...(isFrozen && { isFrozen }),
    })
    const session = await Session.open(encodeModel(graph), sessionOptions)
    return new TrainStep(session, { trained: table.layout(), frozen: table.layout('frozen') }, noise.demand)
  }

  /**
   * Runs a batch.
   * @param gradient receives the gradients of the trained parameters; left out in evaluation.
   */
  async run(
    trained: Float32Array,
    frozen: Float32Array,
    batch: TensorValues,
    gradient?: Float32Array,
  ): Promise<StepResult> {
    const outputs = await this.#session.run(
      {
        ...this.layout.values(trained, PARAMETER_PREFIX),
        ...this.frozenLayout.values(frozen, PARAMETER_PREFIX),
        ...batch,
      },
      gradient === undefined ? {} : { into: this.layout.values(gradient, GRADIENT_PREFIX) },
    )
    const loss = Number(outputs[LOSS]?.data[0])
    const metrics: Record<string, TensorValue> = {}
    for (const [name, value] of Object.entries(outputs))
      if (name.startsWith(METRIC_PREFIX)) metrics[name.slice(METRIC_PREFIX.length)] = value
    return { loss, metrics }
  }

  async close(): Promise<void> {
    await this.#session.close()
  }
}

/** The graph that {@link TrainStep} runs. */
export function buildTraining(
  model: TrainedModel,
  inputs: Readonly<Record<string, InputSpec>>,
  options: { readonly isFrozen?: (name: string) => boolean; readonly evaluation?: boolean } = {},
): { readonly graph: Graph; readonly table: FlatParameters; readonly noise: Noise } {
  const { isFrozen, evaluation = false } = options
  const graph = new Graph('train-step')
  const table = new FlatParameters(graph, isFrozen)
  const noise = new Noise(graph)
  const tensors: Record<string, Tensor> = {}
  for (const [name, { dtype, shape }] of Object.entries(inputs))
    tensors[name] = graph.input(name, dtype, shape)
  const { loss, metrics = {} } = model({
    graph,
    parameters: table.parameters(),
    inputs: tensors,
    input: (name) => {
      const tensor = tensors[name]
      if (tensor === undefined) throw new Error(`the batch has no ${name}`)
      return tensor
    },
    dropout: (x, rate) => (evaluation ? x : noise.dropout(x, rate)),
    training: !evaluation,
  })
  if (loss.rank !== 0) throw new ShapeError('loss', [loss.shape], 'the loss is a scalar')
  graph.output(LOSS, loss)
  for (const [name, tensor] of Object.entries(metrics)) graph.output(METRIC_PREFIX + name, tensor)
  if (!evaluation) {
    const { entries } = table.layout()
    gradients(loss, table.trainedTensors).forEach((gradient, i) => {
      graph.output(`${GRADIENT_PREFIX}${entries[i]?.name}`, gradient)
    })
  }
  return { graph, table, noise }
}
