/** A checkpoint in several files behind an index: `{"weight_map": {tensor: file}}`. */

import { basename, dirname, join } from 'node:path'
import type { Checkpoint, Float32Options, TensorPlace } from './checkpoint.js'
import type { TensorInfo } from './dtype.js'
import { readJsonObject } from './read-json.js'
import { printable, refuse } from './refuse.js'

/** Published models have at most some hundred shards; each holds a file open. */
const MAX_SHARDS = 1024

export class ShardedCheckpoint implements Checkpoint {
  readonly path: string
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: ReadonlyMap<string, string>
  readonly #shardOf: ReadonlyMap<string, Checkpoint>
  readonly #shards: readonly Checkpoint[]

  private constructor(path: string, shardOf: ReadonlyMap<string, Checkpoint>, shards: readonly Checkpoint[]) {
    this.path = path
    this.#shardOf = shardOf
    this.#shards = shards
    const infos = [...shardOf].map(([name, shard]) => [name, shard.tensors.get(name)] as const)
    this.tensors = new Map(infos.filter((pair): pair is [string, TensorInfo] => pair[1] !== undefined))
    this.metadata = new Map(shards.flatMap((shard) => [...shard.metadata]))
  }

  /**
   * @param open opens one shard; the containers may differ, the index does not
   * @throws UserError where index and shards disagree, naming the tensor
   */
  static async open(
    indexPath: string,
    open: (path: string) => Promise<Checkpoint>,
  ): Promise<ShardedCheckpoint> {
    const weightMap = parseIndex(indexPath, await readJsonObject(indexPath))
    const shards = new Map<string, Checkpoint>()
    try {
      for (const file of new Set(weightMap.values()))
        shards.set(file, await open(join(dirname(indexPath), file)))
      return new ShardedCheckpoint(indexPath, assign(indexPath, weightMap, shards), [...shards.values()])
    } catch (error) {
      for (const shard of shards.values()) await shard.close()
      throw error
    }
  }

  readBytes(name: string): Promise<Uint8Array> {
    return this.#shard(name).readBytes(name)
  }

  readFloat32(name: string, options?: Float32Options): Promise<Float32Array> {
    return this.#shard(name).readFloat32(name, options)
  }

  readInt64(name: string): Promise<BigInt64Array> {
    return this.#shard(name).readInt64(name)
  }

  locate(name: string): TensorPlace | undefined {
    return this.#shardOf.get(name)?.locate(name)
  }

  async close(): Promise<void> {
    for (const shard of this.#shards) await shard.close()
  }

  #shard(name: string): Checkpoint {
    const shard = this.#shardOf.get(name)
    if (shard === undefined)
      throw refuse(this.path, `has no tensor "${printable(name)}"`, { code: 'NOT_FOUND' })
    return shard
  }
}

/** The files that an index names. @throws UserError for a malformed one */
export async function shardsOf(indexPath: string): Promise<readonly string[]> {
  return [...new Set(parseIndex(indexPath, await readJsonObject(indexPath)).values())]
}

function parseIndex(path: string, json: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  const { weight_map: map } = json
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw refuse(path, 'has no object weight_map')
  const entries = Object.entries(map)
  for (const [name, file] of entries) {
    if (!isPlainFileName(file)) throw refuse(path, `tensor "${printable(name)}" lies in no plain file name`)
    // An index of indexes could name itself.
    if (file.endsWith('.index.json')) throw refuse(path, `tensor "${printable(name)}" lies in another index`)
  }
  const weightMap = new Map(entries as [string, string][])
  const count = new Set(weightMap.values()).size
  if (count > MAX_SHARDS) throw refuse(path, `names ${count} shards, more than ${MAX_SHARDS}`)
  return weightMap
}

/** A shard lies beside its index: no directories, no way up. */
function isPlainFileName(file: unknown): file is string {
  return (
    typeof file === 'string' &&
    file !== '' &&
    basename(file) === file &&
    !/[\\/\0]/.test(file) &&
    !/^\.+$/.test(file)
  )
}

function assign(
  path: string,
  weightMap: ReadonlyMap<string, string>,
  shards: ReadonlyMap<string, Checkpoint>,
): ReadonlyMap<string, Checkpoint> {
  const shardOf = new Map<string, Checkpoint>()
  for (const [name, file] of weightMap) {
    const shard = shards.get(file)
    if (shard?.tensors.has(name) !== true)
      throw refuse(path, `tensor "${printable(name)}" is missing from ${printable(file)}`)
    shardOf.set(name, shard)
  }
  for (const [file, shard] of shards)
    for (const name of shard.tensors.keys())
      if (weightMap.get(name) !== file)
        throw refuse(path, `tensor "${printable(name)}" in ${printable(file)} is not in the index`)
  return shardOf
}
