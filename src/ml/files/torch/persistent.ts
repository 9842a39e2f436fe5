/** Persistent ids of PyTorch pickles: `('storage', class, key, location, count[, view])`. */

import { dtypeBytes } from '../dtype.js'
import { PickleError, type PickleValue } from '../pickle/values.js'
import { TorchStorageClass } from './globals.js'
import { TorchStorage } from './storage.js'

/** Hands out one {@link TorchStorage} object a key and checks that repeated ids agree. */
export class StorageTable {
  readonly #storages = new Map<string, TorchStorage>()

  /** The storages named so far, by key. */
  get storages(): ReadonlyMap<string, TorchStorage> {
    return this.#storages
  }

  /** @throws PickleError for anything that is not the id of a storage */
  readonly load = (id: PickleValue): TorchStorage => {
    if (!Array.isArray(id) || id[0] !== 'storage') throw new PickleError('a persistent id is no storage')
    const [, type, key, , count, view] = id
    if (!(type instanceof TorchStorageClass)) throw new PickleError('a storage has no class')
    if (typeof key !== 'string' || typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0)
      throw new PickleError('a storage has no key or count')
    const dtype = type.dtype ?? 'U8'
    const bytes = count * dtypeBytes[dtype]
    if (!Number.isSafeInteger(bytes)) throw new PickleError('a storage is too large')
    const storage = this.#storages.get(key) ?? new TorchStorage(key, dtype, bytes)
    if (storage.dtype !== dtype || storage.bytes !== bytes)
      throw new PickleError(`storage ${key} is described in two ways`)
    this.#storages.set(key, storage)
    return Array.isArray(view) ? storageView(storage, view) : storage
  }
}

/** Old files cut storages out of storages: `(view key, offset, size)` in elements. */
function storageView(root: TorchStorage, view: readonly PickleValue[]): TorchStorage {
  const [, offset, size] = view
  const start = Number(offset) * dtypeBytes[root.dtype]
  const end = start + Number(size) * dtypeBytes[root.dtype]
  if (!Number.isSafeInteger(start) || !(start >= 0 && end >= start && end <= root.bytes))
    throw new PickleError('a storage view leaves its storage')
  return new TorchStorage(root.key, root.dtype, root.bytes, start)
}
