/** A model directory of data2vec text or vision: configuration, what it was made for, weights by the model's names. */
import { join } from 'node:path'
import { openCheckpoint } from '../../ml/files/open.js'
import { refuse } from '../../ml/files/refuse.js'
import type { Graph } from '../../ml/graph/index.js'
import {
  architectureOf,
  type JsonObject,
  readConfig,
  unknownArchitecture,
} from '../checkpoint/config-file.js'
import { WeightFiles } from '../checkpoint/weight-files.js'
import { CheckpointWeights } from '../checkpoint/weights.js'
import {
  isHead,
  type Naming,
  type TextTask,
  textArchitectures,
  textNaming,
  type VisionTask,
  visionArchitectures,
  visionNaming,
} from './names.js'
import { parseTextConfig, type TextEncoderConfig } from './text-config.js'
import { parseVisionConfig, type VisionEncoderConfig } from './vision-config.js'

export interface Data2VecCheckpoint<Config, Task extends string> {
  readonly directory: string
  readonly config: Config
  readonly task: Task
  readonly files: WeightFiles
  readonly naming: Naming
  /** What stands before the encoder's names in the file. */
  readonly prefix: string
  /** Removes temporary files. */
  close(): Promise<void>
}

export type TextCheckpoint = Data2VecCheckpoint<TextEncoderConfig, TextTask>
export type VisionCheckpoint = Data2VecCheckpoint<VisionEncoderConfig, VisionTask>

/** @throws UserError where a file is missing or damaged, or the architecture is not of this family. */
export const openTextCheckpoint = (directory: string): Promise<TextCheckpoint> =>
  open(directory, textArchitectures, textNaming, parseTextConfig)

/** As {@link openTextCheckpoint}. */
export const openVisionCheckpoint = (directory: string): Promise<VisionCheckpoint> =>
  open(directory, visionArchitectures, visionNaming, parseVisionConfig)

async function open<Config, Task extends string>(
  directory: string,
  architectures: Readonly<Record<string, Task>>,
  naming: Naming,
  parse: (json: JsonObject, path: string) => Config,
): Promise<Data2VecCheckpoint<Config, Task>> {
  const path = join(directory, 'config.json')
  const json = await readConfig(directory)
  const architecture = architectureOf(json, path)
  const task = Object.hasOwn(architectures, architecture) ? architectures[architecture] : undefined
  if (task === undefined) throw unknownArchitecture(path, architecture, Object.keys(architectures))
  const config = parse(json, path)
  const checkpoint = await openCheckpoint(directory)
  try {
    const files = await WeightFiles.of(checkpoint)
    const prefix = ['', naming.prefix].find((each) => files.has(each + naming.landmark))
    if (prefix === undefined) {
      await files.close()
      throw refuse(files.path, `has no tensor whose name ends in ${naming.landmark}`, {
        remedy: 'check that config.json and the weights belong together',
      })
    }
    return { directory, config, task, files, naming, prefix, close: () => files.close() }
  } finally {
    await checkpoint.close()
  }
}

/**
 * The weights for a graph. Call `finish()` when the graph is built.
 * @param options.heads whether the model has those of the file. @param options.unused further names to leave alone.
 */
export function data2vecWeights(
  graph: Graph,
  { files, naming, prefix }: Data2VecCheckpoint<unknown, string>,
  options: { readonly heads: boolean; readonly unused?: RegExp },
): CheckpointWeights {
  const { heads, unused } = options
  return new CheckpointWeights(graph, files, {
    storedName: (name) => (isHead(name, naming) ? name : prefix + name),
    isIgnored: (stored) =>
      isHead(stored, naming)
        ? !heads || unused?.test(stored) === true
        : stored.startsWith(prefix) &&
          (naming.unused.test(stored.slice(prefix.length)) ||
            unused?.test(stored.slice(prefix.length)) === true),
  })
}
