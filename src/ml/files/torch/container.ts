/** The two containers of torch.save: a zip archive since 1.6, a chain of pickles before. */

import type { FileSource } from '../byte-source.js'
import { dtypeBytes } from '../dtype.js'
import { PickleInput } from '../pickle/input.js'
import { unpickle } from '../pickle/machine.js'
import { PickleError, type PickleValue } from '../pickle/values.js'
import { printable, refuse } from '../refuse.js'
import { ZipArchive } from '../zip.js'
import { torchGlobal } from './globals.js'
import { StorageTable } from './persistent.js'

export interface TorchContainer {
  /** What was saved. */
  readonly root: PickleValue
  /** Position in the file of a storage's first byte. */
  readonly positionOf: (key: string) => Promise<number>
}

const PICKLE_ENTRY = 'data.pkl'
const MAX_PICKLE_BYTES = 128 << 20
/** torch/serialization.py: MAGIC_NUMBER, PROTOCOL_VERSION. */
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn
const LEGACY_PROTOCOL = 1001
const COUNT_BYTES = 8

/** @throws UserError for malformed files; PickleError, ForbiddenGlobalError for what the pickle holds. */
export async function readTorchContainer(source: FileSource): Promise<TorchContainer> {
  const magic = await source.read(0, Math.min(4, source.size))
  const isZip = magic[0] === 0x50 && magic[1] === 0x4b
  return isZip ? readZip(source) : readLegacy(source)
}

async function readZip(source: FileSource): Promise<TorchContainer> {
  const archive = await ZipArchive.open(source)
  const pickles = [...archive.entries.keys()].filter((name) => name.split('/').at(-1) === PICKLE_ENTRY)
  const [pickle] = pickles
  if (pickle === undefined || pickles.length > 1)
    throw refuse(source.path, 'is a zip archive but no PyTorch checkpoint: it has no single data.pkl')
  const prefix = pickle.slice(0, -PICKLE_ENTRY.length)
  if (archive.entries.has(`${prefix}byteorder`)) {
    const order = new TextDecoder().decode(await archive.read(`${prefix}byteorder`, 16))
    if (order !== 'little') throw refuse(source.path, `has the byte order "${printable(order)}"`)
  }
  const table = new StorageTable()
  const bytes = await archive.read(pickle, MAX_PICKLE_BYTES)
  const root = unpickle(PickleInput.fromBytes(bytes), { global: torchGlobal, persistent: table.load })
  for (const storage of table.storages.values()) {
    const entry = archive.entries.get(`${prefix}data/${storage.key}`)
    if (entry?.size !== storage.bytes)
      throw refuse(
        source.path,
        `storage "${printable(storage.key)}" has ${entry?.size ?? 'no'} bytes, ${storage.bytes} expected`,
      )
  }
  return { root, positionOf: (key) => archive.storedPosition(`${prefix}data/${key}`) }
}

/**
 * Pickles of the magic number, the protocol, facts about the machine, the object and the storage keys, then
 * each storage: its element count in 8 bytes, its elements.
 */
async function readLegacy(source: FileSource): Promise<TorchContainer> {
  const table = new StorageTable()
  let position = 0
  const next = (): PickleValue => {
    const input = new PickleInput((at, length) => source.readSync(at, length), position, source.size)
    const value = unpickle(input, { global: torchGlobal, persistent: table.load })
    position = input.position
    return value
  }
  if (next() !== LEGACY_MAGIC) throw refuse(source.path, 'is no PyTorch checkpoint: it has no magic number')
  if (next() !== LEGACY_PROTOCOL) throw refuse(source.path, 'has an unknown protocol version')
  const facts = next()
  if (facts instanceof Map && facts.get('little_endian') === false)
    throw refuse(source.path, 'was written on a big-endian machine')
  const root = next()
  const keys = next()
  if (!Array.isArray(keys)) throw new PickleError('its list of storages is missing')
  const positions = new Map<string, number>()
  for (const key of keys) {
    const storage = typeof key === 'string' ? table.storages.get(key) : undefined
    if (storage === undefined) throw new PickleError('it lists a storage that no tensor uses')
    const count = new DataView((await source.read(position, COUNT_BYTES)).buffer).getBigUint64(0, true)
    if (count * BigInt(dtypeBytes[storage.dtype]) !== BigInt(storage.bytes))
      throw refuse(source.path, `storage "${printable(storage.key)}" has another size than its tensors say`)
    positions.set(storage.key, position + COUNT_BYTES)
    position += COUNT_BYTES + storage.bytes
    if (position > source.size) throw refuse(source.path, `truncated in storage "${printable(storage.key)}"`)
  }
  const positionOf = async (key: string): Promise<number> => {
    const at = positions.get(key)
    if (at === undefined) throw refuse(source.path, `has no storage "${printable(key)}"`)
    return at
  }
  return { root, positionOf }
}
