/** Opens a checkpoint by what it is: a directory as published, one file, or a shard index. */

import { access, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../errors.js'
import type { Checkpoint } from './checkpoint.js'
import { SafetensorsFile } from './safetensors-reader.js'
import { ShardedCheckpoint, shardsOf } from './sharded.js'
import { TorchFile } from './torch/torch-file.js'

/** In order of preference: safetensors hold no code, and their tensors are checked on opening. */
const WEIGHT_FILES = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
] as const

/**
 * @param path a model directory, a `.safetensors`, `.bin` or `.pt` file, or a `*.index.json`
 * @throws UserError where there is none, or it is malformed or unsafe
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const status = await stat(path).catch(() => undefined)
  if (status?.isDirectory() !== true) return openFile(path)
  for (const name of WEIGHT_FILES) {
    const file = join(path, name)
    if (await exists(file)) return openFile(file)
  }
  throw new UserError(`${path} holds no weights`, {
    code: 'NOT_FOUND',
    remedy: `download one of ${WEIGHT_FILES.join(', ')} into it`,
  })
}

/**
 * Names of the files that {@link openCheckpoint} reads of a directory, the index aside; empty where there are none.
 * Shards go by the names that their index gives them.
 */
export async function weightFileNames(directory: string): Promise<readonly string[]> {
  for (const name of WEIGHT_FILES) {
    const file = join(directory, name)
    if (await exists(file)) return name.endsWith('.index.json') ? shardsOf(file) : [name]
  }
  return []
}

async function openFile(path: string): Promise<Checkpoint> {
  if (path.endsWith('.index.json')) return ShardedCheckpoint.open(path, openFile)
  if (path.endsWith('.safetensors')) return SafetensorsFile.open(path)
  return TorchFile.open(path)
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
