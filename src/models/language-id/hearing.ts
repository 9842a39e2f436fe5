/** A sound of any length to phones: the network in service, in windows that overlap. */
import { openCheckpoint } from '../../ml/files/open.js'
import { Graph, logSoftmax } from '../../ml/graph/index.js'
import { encodeModel } from '../../ml/onnx/index.js'
import { Session, type SessionOptions } from '../../ml/session/session.js'
import { outputFrames, SUBSAMPLING } from '../asr-small/definition.js'
import { MELS, type StoredFeatures, toModelInput } from '../asr-small/features.js'
import { WeightFiles } from '../checkpoint/weight-files.js'
import { CheckpointWeights } from '../checkpoint/weights.js'
import { phoneLogits } from './definition.js'
import { PHONE_CLASSES } from './phones.js'

/** Frames of a window, and how many on each side of a seam are heard for the others' sake alone. */
const WINDOW = 800
const MARGIN = 80
const STEP = WINDOW - 2 * MARGIN

export class PhoneHearing {
  readonly #files: WeightFiles
  readonly #session: Session

  private constructor(files: WeightFiles, session: Session) {
    this.#files = files
    this.#session = session
  }

  /** @param weights a checkpoint: a directory or a file. @throws UserError where it does not fit. */
  static async open(
    weights: string,
    { threads = 1 }: Pick<SessionOptions, 'threads'> = {},
  ): Promise<PhoneHearing> {
    const checkpoint = await openCheckpoint(weights)
    try {
      const files = await WeightFiles.of(checkpoint)
      const graph = new Graph('language-id')
      const from = new CheckpointWeights(graph, files)
      const features = graph.input('features', 'float32', [1, WINDOW, MELS])
      const lengths = graph.input('lengths', 'int64', [1])
      graph.output('logProbabilities', logSoftmax(phoneLogits(from.parameters(), features, lengths), -1))
      from.finish()
      const session = await Session.open(encodeModel(graph), { threads, weightsFolder: files.folder })
      return new PhoneHearing(files, session)
    } finally {
      await checkpoint.close()
    }
  }

  /** @returns log probabilities [frames / 4, PHONE_CLASSES] of a whole sound. */
  hear(features: StoredFeatures): Promise<Float32Array> {
    return this.hearNormalised(toModelInput(features))
  }

  /** The same for the network's input, [frames, MELS]. */
  async hearNormalised(values: Float32Array): Promise<Float32Array> {
    const frames = values.length / MELS
    const out = new Float32Array(outputFrames(frames) * PHONE_CLASSES)
    for (let from = 0; from === 0 || from + MARGIN < frames; from += STEP) {
      const window = new Float32Array(WINDOW * MELS)
      const count = Math.min(WINDOW, frames - from)
      window.set(values.subarray(from * MELS, (from + count) * MELS))
      const { logProbabilities } = await this.#session.run({
        features: { dtype: 'float32', shape: [1, WINDOW, MELS], data: window },
        lengths: { dtype: 'int64', shape: [1], data: BigInt64Array.of(BigInt(outputFrames(count))) },
      })
      if (!(logProbabilities?.data instanceof Float32Array)) throw new Error('the model gave no phones')
      // What is heard again from further on is better heard there.
      const skip = from === 0 ? 0 : MARGIN / SUBSAMPLING
      const at = from / SUBSAMPLING + skip
      const some = logProbabilities.data.subarray(skip * PHONE_CLASSES, outputFrames(count) * PHONE_CLASSES)
      out.set(some.subarray(0, out.length - at * PHONE_CLASSES), at * PHONE_CLASSES)
    }
    return out
  }

  async close(): Promise<void> {
    await this.#session.close()
    await this.#files.close()
  }
}
