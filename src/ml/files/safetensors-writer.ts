/**
 * Writes safetensors. The bytes depend on names, types, shapes, values and metadata alone, not on the order
 * they are handed in: wider element types first (so that every tensor is aligned), then by name. The file
 * appears whole or not at all: it is written beside its place, synced and renamed.
 */

import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { UserError } from '../../errors.js'
import { byteLength, dtypeBytes, type TensorInfo } from './dtype.js'
import { LENGTH_BYTES } from './safetensors-header.js'

export interface TensorToWrite extends TensorInfo {
  /** C-order little-endian bytes, or a call that makes them when their turn comes (one tensor in memory). */
  readonly data: Uint8Array | (() => Uint8Array | Promise<Uint8Array>)
}

/**
 * @throws RangeError for two tensors of one name, the reserved name `__metadata__`, or data of the wrong length
 * @throws UserError where the directory cannot be written
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ordered = tensors.toSorted(
    (a, b) => dtypeBytes[b.dtype] - dtypeBytes[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  )
  const header = encodeHeader(ordered, metadata)
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const handle = await createFile(temporary, path)
  try {
    await writeAll(handle, header)
    for (const tensor of ordered) {
      const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data
      if (data.length !== byteLength(tensor))
        throw new RangeError(
          `${tensor.name}: ${data.length} bytes of data, ${byteLength(tensor)} by its shape`,
        )
      await writeAll(handle, data)
    }
    await handle.sync()
    await handle.close()
    await rename(temporary, path)
  } catch (error) {
    await handle.close().catch(() => undefined)
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

function encodeHeader(
  ordered: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const fields: string[] = []
  const keys = Object.keys(metadata).toSorted()
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`)
    fields.push(`"__metadata__":{${pairs.join(',')}}`)
  }
  const names = new Set<string>()
  let offset = 0
  for (const tensor of ordered) {
    if (tensor.name === '__metadata__' || names.has(tensor.name))
      throw new RangeError(`the tensor name ${JSON.stringify(tensor.name)} is taken`)
    names.add(tensor.name)
    const end = offset + byteLength(tensor)
    const entry = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] }
    fields.push(`${JSON.stringify(tensor.name)}:${JSON.stringify(entry)}`)
    offset = end
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`)
  // Spaces up to a multiple of 8, so that the data starts aligned.
  const length = Math.ceil(json.length / 8) * 8
  const header = new Uint8Array(LENGTH_BYTES + length).fill(0x20)
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true)
  header.set(json, LENGTH_BYTES)
  return header
}

async function createFile(temporary: string, path: string): Promise<FileHandle> {
  try {
    return await open(temporary, 'wx')
  } catch (cause) {
    throw new UserError(`${path} cannot be written`, {
      code: 'UNAVAILABLE',
      remedy: 'check that the directory exists and may be written',
      cause,
    })
  }
}

async function writeAll(handle: FileHandle, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await handle.write(data, done, Math.min(data.length - done, 1 << 30))
    done += bytesWritten
  }
}

/** Makes the rename durable; some platforms cannot open directories, and there it is left to the system. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r').catch(() => undefined)
  if (handle === undefined) return
  await handle.sync().catch(() => undefined)
  await handle.close()
}
