/** The language identifier in service: a directory with config.json and model.safetensors, sound in, languages out. */
import { join } from 'node:path'
import { openCheckpoint } from '../../ml/files/open.js'
import { Graph } from '../../ml/graph/index.js'
import { encodeModel } from '../../ml/onnx/index.js'
import { Session, type SessionOptions } from '../../ml/session/session.js'
import { extractFeatures, MELS, type StoredFeatures } from '../asr-small/features.js'
import { parseConfig, readConfig } from '../checkpoint/config-file.js'
import { WeightFiles } from '../checkpoint/weight-files.js'
import { CheckpointWeights } from '../checkpoint/weights.js'
import { logSoftmaxRows } from '../ctc/log-probabilities.js'
import { languageIdConfigSchema } from './config.js'
import { LANGUAGES, type Language, languageLogits, WINDOW_FRAMES } from './definition.js'
import { packRows, windowsOf } from './training.js'

export interface LanguageProbability {
  readonly language: Language
  readonly probability: number
}

/** Windows of one run. */
const ROWS = 4

export class LanguageIdentifier {
  readonly #files: WeightFiles
  readonly #session: Session

  private constructor(files: WeightFiles, session: Session) {
    this.#files = files
    this.#session = session
  }

  /** @throws UserError naming the file, where the directory does not hold such a model. */
  static async open(
    directory: string,
    { threads = 1 }: Pick<SessionOptions, 'threads'> = {},
  ): Promise<LanguageIdentifier> {
    parseConfig(languageIdConfigSchema, await readConfig(directory), join(directory, 'config.json'))
    const checkpoint = await openCheckpoint(directory)
    try {
      const files = await WeightFiles.of(checkpoint)
      const graph = new Graph('language-id')
      const weights = new CheckpointWeights(graph, files)
      const features = graph.input('features', 'float32', [ROWS, WINDOW_FRAMES, MELS])
      const lengths = graph.input('lengths', 'int64', [ROWS])
      graph.output('logits', languageLogits(weights.parameters(), features, lengths))
      weights.finish()
      const session = await Session.open(encodeModel(graph), { threads, weightsFolder: files.folder })
      return new LanguageIdentifier(files, session)
    } finally {
      await checkpoint.close()
    }
  }

  /**
   * The likeliest first; empty for a sound shorter than a frame. Windows of 4 s are heard by themselves, and their
   * log probabilities averaged. @param samples in [-1, 1). @param sampleRate Hz.
   */
  identify(samples: Float32Array, sampleRate: number): Promise<readonly LanguageProbability[]> {
    return this.ofFeatures(extractFeatures(samples, sampleRate))
  }

  /** The same for features that are at hand. */
  async ofFeatures(features: StoredFeatures): Promise<readonly LanguageProbability[]> {
    if (features.frames === 0) return []
    const windows = windowsOf({ features })
    const sums = new Float64Array(LANGUAGES.length)
    for (let from = 0; from < windows.length; from += ROWS) {
      const some = windows.slice(from, from + ROWS)
      const empty = Array.from({ length: ROWS - some.length }, () => new Float32Array(0))
      const inputs = packRows([...some, ...empty].map((values) => ({ values })))
      const { logits } = await this.#session.run(inputs)
      if (!(logits?.data instanceof Float32Array)) throw new Error('the model gave no logits')
      const rows = logits.data.subarray(0, some.length * LANGUAGES.length)
      logSoftmaxRows(rows, some.length, LANGUAGES.length).data.forEach((value, i) => {
        sums[i % LANGUAGES.length] = (sums[i % LANGUAGES.length] ?? 0) + value / windows.length
      })
    }
    const { data } = logSoftmaxRows(Float32Array.from(sums), 1, LANGUAGES.length)
    return LANGUAGES.map((language, i) => ({ language, probability: Math.exp(data[i] ?? 0) })).sort(
      (a, b) => b.probability - a.probability,
    )
  }

  async close(): Promise<void> {
    await this.#session.close()
    await this.#files.close()
  }
}
