/** A data2vec vision model, opened from its directory and ready to run. */
import { join } from 'node:path'
import { refuse } from '../../ml/files/refuse.js'
import { Graph } from '../../ml/graph/index.js'
import { type Image, type ImageOptions, prepareImage, readImageOptions } from '../../ml/image/index.js'
import { encodeModel, quantise } from '../../ml/onnx/index.js'
import { Session, type SessionOptions, type TensorValue } from '../../ml/session/session.js'
import { asConfigFault } from '../checkpoint/config-file.js'
import { data2vecWeights, openVisionCheckpoint, type VisionCheckpoint } from './checkpoint.js'
import { outputHiddenStates } from './hidden-states.js'
import type { VisionTask } from './names.js'
import type { VisionEncoderConfig } from './vision-config.js'
import { imageClassifier, visionEncoder, visionPooler } from './vision-encoder.js'

export interface VisionModelOptions extends Pick<SessionOptions, 'threads' | 'arena'> {
  /** `encoder` takes the encoder out of any checkpoint; otherwise what config.json says. */
  readonly task?: 'encoder'
  readonly hiddenStates?: readonly number[]
  /** Matrix products on 8-bit integers. */
  readonly int8?: boolean
  /** Each run says which patches the mask vector stands for. */
  readonly masked?: boolean
}

export interface ImageBatch {
  /** [rows, channels, height, width] in C order. */
  readonly values: Float32Array
  readonly rows: number
  /** [rows, patches], 1 where masked; for a model opened with `masked`. */
  readonly masked?: readonly number[]
}

export class VisionModel {
  readonly directory: string
  readonly config: VisionEncoderConfig
  readonly task: VisionTask
  readonly image: ImageOptions
  readonly #session: Session
  readonly #checkpoint: VisionCheckpoint

  private constructor(checkpoint: VisionCheckpoint, task: VisionTask, image: ImageOptions, session: Session) {
    this.directory = checkpoint.directory
    this.config = checkpoint.config
    this.task = task
    this.image = image
    this.#session = session
    this.#checkpoint = checkpoint
  }

  /** @throws UserError naming the file, where the directory does not hold such a model. */
  static async open(directory: string, options: VisionModelOptions = {}): Promise<VisionModel> {
    const checkpoint = await openVisionCheckpoint(directory)
    try {
      const { config } = checkpoint
      const path = join(directory, 'preprocessor_config.json')
      const image = await readImageOptions(path, config.channels)
      const { task = checkpoint.task, threads, arena } = options
      const graph = buildVision(checkpoint, task, options)
      if (options.int8 === true) quantise(graph)
      const session = await Session.open(encodeModel(graph), {
        ...(threads === undefined ? {} : { threads }),
        ...(arena === undefined ? {} : { arena }),
        weightsFolder: checkpoint.files.folder,
      })
      return new VisionModel(checkpoint, task, image, session)
    } catch (error) {
      await checkpoint.close()
      throw asConfigFault(error, directory)
    }
  }

  /** Images resized, cropped and normalised as preprocessor_config.json says. @throws UserError for other sizes. */
  prepare(images: readonly Image[]): ImageBatch {
    if (images.length === 0) throw new RangeError('a batch of no images')
    const { channels, image } = this.config
    const [height, width] = image
    const size = channels * height * width
    const values = new Float32Array(images.length * size)
    images.forEach((each, row) => {
      const prepared = prepareImage(each, this.image)
      if (prepared.height !== height || prepared.width !== width)
        throw refuse(
          join(this.directory, 'preprocessor_config.json'),
          `makes images of ${prepared.width} x ${prepared.height} pixels, the model takes ${width} x ${height}`,
        )
      values.set(prepared.values, row * size)
    })
    return { values, rows: images.length }
  }

  /**
   * Runs a batch; blocks this thread.
   * @returns `last` [rows, 1 + patches, width], `pooled` [rows, width] where the checkpoint has what makes it,
   * `hidden.N` as asked for, `logits` [rows, labels] of a classifier.
   */
  run({ values, rows, masked }: ImageBatch): Promise<Record<string, TensorValue>> {
    const { channels, image, grid } = this.config
    const mask: Record<string, TensorValue> =
      masked === undefined
        ? {}
        : {
            masked: {
              dtype: 'int64',
              shape: [rows, grid[0] * grid[1]],
              data: BigInt64Array.from(masked, BigInt),
            },
          }
    return this.#session.run({
      pixels: { dtype: 'float32', shape: [rows, channels, ...image], data: values },
      ...mask,
    })
  }

  async close(): Promise<void> {
    await this.#session.close()
    await this.#checkpoint.close()
  }
}

/** Inputs and outputs as {@link VisionModel.run} has them: one graph for every batch. */
function buildVision(
  checkpoint: VisionCheckpoint,
  task: VisionTask,
  { masked = false, hiddenStates }: VisionModelOptions,
): Graph {
  const { config, files, prefix } = checkpoint
  const graph = new Graph('data2vec-vision')
  const unused = masked ? {} : { unused: /^embeddings\.mask_token$/ }
  const weights = data2vecWeights(graph, checkpoint, { heads: task !== 'encoder', ...unused })
  const p = weights.parameters()
  const pixels = graph.input('pixels', 'float32', ['batch', config.channels, ...config.image])
  const input = masked
    ? { pixels, masked: graph.input('masked', 'int64', ['batch', config.grid[0] * config.grid[1]]) }
    : { pixels }
  const encoding = visionEncoder(p, input, config)
  graph.output('last', encoding.last)
  // An encoder that was saved alone may lack the pooler's norm.
  const pools = task !== 'encoder' || !config.meanPooling || files.has(`${prefix}pooler.layernorm.weight`)
  if (pools) {
    const pooled = visionPooler(p, encoding.last, config)
    graph.output('pooled', pooled)
    if (task === 'classification') graph.output('logits', imageClassifier(p, pooled, config))
  }
  outputHiddenStates(graph, encoding.hiddenStates, hiddenStates)
  weights.finish()
  return graph
}
