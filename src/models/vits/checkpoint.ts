/** A model directory of the family: its configuration and its weights, of which every one is accounted for. */
import { join } from 'node:path'
import { openCheckpoint } from '../../ml/files/open.js'
import { WeightNormView } from '../../ml/files/weight-norm.js'
import { Graph } from '../../ml/graph/index.js'
import { architectureOf, readConfig, unknownArchitecture } from '../checkpoint/config-file.js'
import { WeightFiles } from '../checkpoint/weight-files.js'
import { CheckpointWeights } from '../checkpoint/weights.js'
import { parseVitsConfig, type VitsConfig } from './config.js'
import { buildText, buildTraining } from './graphs.js'

export const ARCHITECTURE = 'VitsModel'

export interface VitsCheckpoint {
  readonly config: VitsConfig
  readonly files: WeightFiles
  /** Removes temporary files. */
  close(): Promise<void>
}

/** @throws UserError where a file is missing or damaged, or a tensor is missing, surplus or of another shape. */
export async function openVitsCheckpoint(directory: string): Promise<VitsCheckpoint> {
  const path = join(directory, 'config.json')
  const json = await readConfig(directory)
  const architecture = architectureOf(json, path)
  if (architecture !== ARCHITECTURE) throw unknownArchitecture(path, architecture, [ARCHITECTURE])
  const config = parseVitsConfig(json, path)
  const checkpoint = new WeightNormView(await openCheckpoint(directory))
  const files = await WeightFiles.of(checkpoint).finally(() => checkpoint.close())
  try {
    checkTensors(files, config)
    return { config, files, close: () => files.close() }
  } catch (error) {
    await files.close()
    throw error
  }
}

/** Speaking needs a part of the tensors; a file that lacks any of the others is damaged or of another model. */
function checkTensors(files: WeightFiles, config: VitsConfig): void {
  const graph = new Graph('whole')
  const weights = new CheckpointWeights(graph, files)
  const p = weights.parameters()
  buildTraining(graph, p, config)
  buildText(graph, p, config)
  weights.finish()
}

/** The weights for a graph that has a part of the model. */
export function weightsOf(graph: Graph, { files }: VitsCheckpoint): CheckpointWeights {
  return new CheckpointWeights(graph, files, { isIgnored: () => true })
}
