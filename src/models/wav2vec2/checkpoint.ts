/** A model directory of the family: its configuration, what it was made for, and its weights by the model's names. */
import { join } from 'node:path'
import { openCheckpoint } from '../../ml/files/open.js'
import { refuse } from '../../ml/files/refuse.js'
import { WeightNormView } from '../../ml/files/weight-norm.js'
import type { Graph } from '../../ml/graph/index.js'
import {
  architectureOf,
  type JsonObject,
  readConfig,
  unknownArchitecture,
} from '../checkpoint/config-file.js'
import { WeightFiles } from '../checkpoint/weight-files.js'
import { CheckpointWeights } from '../checkpoint/weights.js'
import { parseSpeechConfig, type SpeechEncoderConfig } from './config.js'
import {
  architectures,
  batchCounter,
  isHead,
  isOfLanguage,
  landmark,
  maskEmbedding,
  prefixIn,
  type Task,
} from './names.js'

export interface SpeechCheckpoint {
  readonly directory: string
  readonly config: SpeechEncoderConfig
  readonly task: Task
  readonly files: WeightFiles
  /** What stands before the encoder's names in the file. */
  readonly prefix: string
  /** Removes temporary files. */
  close(): Promise<void>
}

export interface WeightsFor {
  readonly task: Task
  /** Weights of a language become inputs of the graph. */
  readonly languageInputs?: boolean
}

/** Whether config.json describes a model of this family. */
export const isSpeechConfig = (json: JsonObject): boolean =>
  typeof json.model_type === 'string' && ['wav2vec2', 'hubert', 'data2vec-audio'].includes(json.model_type)

/** @throws UserError where a file is missing or damaged, or the architecture is not of this family. */
export async function openSpeechCheckpoint(directory: string): Promise<SpeechCheckpoint> {
  const path = join(directory, 'config.json')
  const json = await readConfig(directory)
  const architecture = architectureOf(json, path)
  const task = architectures[architecture]
  if (task === undefined) throw unknownArchitecture(path, architecture, Object.keys(architectures))
  const config = parseSpeechConfig(json, path)
  if (config.lengthAdapter !== undefined && (task === 'classification' || task === 'frame-classification'))
    throw refuse(path, 'has add_adapter, which a classifier cannot have')
  const checkpoint = new WeightNormView(await openCheckpoint(directory))
  try {
    const files = await WeightFiles.of(checkpoint)
    const prefix = prefixIn((name) => files.has(name))
    if (prefix === undefined)
      throw refuse(files.path, `has no tensor whose name ends in ${landmark}`, {
        remedy: 'check that config.json and the weights belong together',
      })
    return { directory, config, task, files, prefix, close: () => files.close() }
  } finally {
    await checkpoint.close()
  }
}

/** The weights for a graph. Call `finish()` when the graph is built. */
export function speechWeights(
  graph: Graph,
  checkpoint: SpeechCheckpoint,
  options: WeightsFor,
): CheckpointWeights {
  const { files, prefix } = checkpoint
  const { task, languageInputs = false } = options
  const isUnused = (stored: string): boolean =>
    stored.endsWith(batchCounter) ||
    (task !== 'pretraining' && stored === prefix + maskEmbedding) ||
    // An encoder is taken out of a checkpoint with any head.
    (task === 'encoder' && isHead(stored)) ||
    (languageInputs && stored.startsWith('lm_head.'))
  return new CheckpointWeights(graph, files, {
    storedName: (name) => (isHead(name) ? name : prefix + name),
    isInput: (name) => languageInputs && isOfLanguage(name),
    isIgnored: isUnused,
  })
}
