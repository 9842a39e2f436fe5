/**
 * The weights of a checkpoint as files that the runtime maps: where they are stored as they are (safetensors, PyTorch
 * files whose tensors lie in order), nothing is copied; what is not (views that are turned, types the runtime lacks) is
 * written once to a temporary file, a tensor at a time, so that loading never holds more than one.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { type FileHandle, open, realpath, rm, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Checkpoint, TensorPlace } from '../../ml/files/checkpoint.js'
import { byteLength, type Dtype, type TensorInfo } from '../../ml/files/dtype.js'
import type { DType, TensorData } from '../../ml/graph/index.js'
import type { StoredWeight } from '../../ml/layers/parameters.js'
import { makeScratchFolder, noRoom } from './scratch-folder.js'

/** Types that go into the graph as they are stored. */
const DIRECT: Partial<Record<Dtype, DType>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }
/** Where a tensor starts in the temporary file; the page size of all platforms that matter divides into it. */
const ALIGNMENT = 64
/** Of two tensors that are compared, at once. */
const COMPARED_BYTES = 4 << 20

interface Placed {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly place: TensorPlace
}

export class WeightFiles {
  readonly path: string
  /** Every tensor of the checkpoint, integers too (which {@link lookup} does not give). */
  readonly names: readonly string[]
  /** The folder that the locations of {@link lookup} are relative to: SessionOptions.weightsFolder. */
  readonly folder: string
  readonly #placed: ReadonlyMap<string, Placed>
  readonly #temporary: string | undefined

  private constructor(
    { path, tensors }: Checkpoint,
    folder: string,
    placed: ReadonlyMap<string, Placed>,
    temporary: string | undefined,
  ) {
    this.path = path
    this.names = [...tensors.keys()]
    this.folder = folder
    this.#placed = placed
    this.#temporary = temporary
  }

  /** @throws UserError for a damaged file, float64 values beyond float32, or where there is no room for a copy. */
  static async of(checkpoint: Checkpoint): Promise<WeightFiles> {
    const direct = await placeDirectly(checkpoint)
    if (direct !== undefined) return new WeightFiles(checkpoint, direct.folder, direct.placed, undefined)
    const needBytes = copiedBytes(checkpoint)
    const folder = await makeScratchFolder(needBytes)
    try {
      return new WeightFiles(checkpoint, folder, await writeOut(checkpoint, folder), folder)
    } catch (error) {
      const { bavail, bsize } = await statfs(folder)
      await rm(folder, { recursive: true, force: true })
      // Somebody else was writing there, too.
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw noRoom(folder, bavail * bsize, needBytes)
      throw error
    }
  }

  has(name: string): boolean {
    return this.#placed.has(name)
  }

  lookup(name: string): StoredWeight | undefined {
    const found = this.#placed.get(name)
    if (found === undefined) return undefined
    const { dtype, shape, place } = found
    const { path, position: offset, length } = place
    const load = (): TensorData => readPlace(dtype, place)
    return { dtype, shape, source: { kind: 'external', location: basename(path), offset, length, load } }
  }

  /** Whether two tensors hold the same bytes; they are read in pieces. */
  isSame(one: string, other: string): boolean {
    const [a, b] = [this.#placed.get(one), this.#placed.get(other)]
    if (a === undefined || b === undefined) return false
    if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false
    for (let at = 0; at < a.place.length; at += COMPARED_BYTES) {
      const length = Math.min(COMPARED_BYTES, a.place.length - at)
      const [x, y] = [a, b].map(({ place: { path, position } }) =>
        readBytes({ path, position: position + at, length }),
      )
      if (x === undefined || y === undefined || Buffer.compare(x, y) !== 0) return false
    }
    return true
  }

  /** Removes the temporary file. Sessions keep what they mapped (on Windows, close them first). */
  async close(): Promise<void> {
    if (this.#temporary !== undefined) await rm(this.#temporary, { recursive: true, force: true })
  }
}

/** All tensors as they lie, where they can be mapped so and their files lie in one folder. */
async function placeDirectly(checkpoint: Checkpoint) {
  const placed = new Map<string, Placed>()
  const real = new Map<string, string>()
  for (const { name, dtype, shape } of checkpoint.tensors.values()) {
    const place = checkpoint.locate(name)
    const type = DIRECT[dtype]
    // Integers are counters (num_batches_tracked); no model here computes with them.
    if (type === undefined && !isFloat(dtype)) continue
    if (place === undefined || type === undefined) return undefined
    // A downloaded snapshot is links into a store of blobs; the runtime wants the files themselves.
    const path = real.get(place.path) ?? (await realpath(place.path))
    real.set(place.path, path)
    placed.set(name, { dtype: type, shape, place: { ...place, path } })
  }
  const folders = new Set([...real.values()].map((path) => dirname(path)))
  const [folder] = folders
  return folders.size === 1 && folder !== undefined ? { folder, placed } : undefined
}

/** Of {@link writeOut}'s file. */
function copiedBytes({ tensors }: Checkpoint): number {
  let bytes = 0
  for (const info of tensors.values()) {
    if (!isFloat(info.dtype)) continue
    const count = info.shape.reduce((product, size) => product * size, 1)
    const size = DIRECT[info.dtype] === undefined ? 4 * count : byteLength(info)
    bytes += Math.ceil(size / ALIGNMENT) * ALIGNMENT
  }
  return bytes
}

async function writeOut(checkpoint: Checkpoint, folder: string): Promise<ReadonlyMap<string, Placed>> {
  const path = join(folder, 'weights.bin')
  const handle = await open(path, 'wx', 0o600)
  const placed = new Map<string, Placed>()
  try {
    let position = 0
    for (const info of checkpoint.tensors.values()) {
      if (!isFloat(info.dtype)) continue
      const { dtype, bytes } = await readForRuntime(checkpoint, info)
      await writeAt(handle, bytes, position)
      const place = { path, position, length: bytes.length }
      placed.set(info.name, { dtype, shape: info.shape, place })
      position += Math.ceil(bytes.length / ALIGNMENT) * ALIGNMENT
    }
  } finally {
    await handle.close()
  }
  return placed
}

async function readForRuntime(checkpoint: Checkpoint, { name, dtype }: TensorInfo) {
  const type = DIRECT[dtype]
  if (type !== undefined) return { dtype: type, bytes: await checkpoint.readBytes(name) }
  const values = await checkpoint.readFloat32(name, { rounding: true })
  return {
    dtype: 'float32' as const,
    bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  }
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(
      bytes,
      done,
      Math.min(bytes.length - done, 1 << 30),
      position + done,
    )
    done += bytesWritten
  }
}

function readPlace(dtype: DType, place: TensorPlace): TensorData {
  const { buffer } = readBytes(place)
  return dtype === 'float32' ? new Float32Array(buffer) : new Uint16Array(buffer)
}

function readBytes({ path, position, length }: TensorPlace): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  const descriptor = openSync(path, 'r')
  try {
    for (let done = 0; done < length; ) {
      const count = readSync(descriptor, bytes, done, Math.min(length - done, 1 << 30), position + done)
      if (count === 0) throw new Error(`${path} became shorter while it was read`)
      done += count
    }
  } finally {
    closeSync(descriptor)
  }
  return bytes
}

const isFloat = (dtype: Dtype): boolean => dtype.startsWith('F') || dtype === 'BF16'
