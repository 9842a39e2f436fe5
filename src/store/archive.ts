/**
 * Records by id, bounded in number and bytes: the oldest go first. Writes are synced. An index of ids and sizes is held
 * in memory (some 100 bytes a record), so that listing and eviction do not read the records.
 */

import { type CborValue, decode, encode } from '../crypto/cbor.js'
import type { Schema } from '../crypto/cbor-schema.js'
import { type BatchOperation, type Database, read, type Sublevel, sublevel, writeSynced } from './database.js'
import { KeyedLock } from './keyed-lock.js'

export interface ArchiveLimits {
  readonly maxCount: number
  readonly maxBytes: number
}

export interface ArchiveEntry {
  readonly id: string
  readonly bytes: number
}

/** Ids are hashes in hex, peer ids and the like. */
const MAX_ID_LENGTH = 128
/** Sequence numbers sort as text. */
const SEQUENCE_DIGITS = 16
const WHOLE = 'all'

interface Indexed extends ArchiveEntry {
  readonly sequence: number
}

export class Archive {
  readonly #database: Database
  readonly #data: Sublevel
  readonly #index: Sublevel
  readonly #limits: ArchiveLimits
  readonly #lock = new KeyedLock()
  /** In order of age: a Map keeps insertion order. */
  readonly #entries = new Map<string, Indexed>()
  #bytes = 0
  #nextSequence = 0

  private constructor(database: Database, name: string, limits: ArchiveLimits) {
    this.#database = database
    this.#data = sublevel(database, `${name}-data`)
    this.#index = sublevel(database, `${name}-index`)
    this.#limits = limits
  }

  static async open(database: Database, name: string, limits: ArchiveLimits): Promise<Archive> {
    const archive = new Archive(database, name, limits)
    for await (const [key, value] of archive.#index.iterator()) {
      const [id, bytes] = JSON.parse(new TextDecoder().decode(value)) as [string, number]
      archive.#remember({ id, bytes, sequence: Number(key) })
    }
    return archive
  }

  get count(): number {
    return this.#entries.size
  }

  /** Bytes of all records together. */
  get bytes(): number {
    return this.#bytes
  }

  /** Newest first. */
  list(limit = Number.POSITIVE_INFINITY): readonly ArchiveEntry[] {
    return [...this.#entries.values()]
      .reverse()
      .slice(0, limit)
      .map(({ id, bytes }) => ({ id, bytes }))
  }

  has(id: string): boolean {
    return this.#entries.has(id)
  }

  get(id: string): Promise<Uint8Array | undefined> {
    return read(this.#data, id)
  }

  /**
   * Stores a record, on the disk before it resolves; one with the same id is replaced and becomes the newest.
   * @throws RangeError for a record larger than the whole archive, or an id over 128 characters.
   */
  put(id: string, value: Uint8Array): Promise<void> {
    if (id === '' || id.length > MAX_ID_LENGTH) throw new RangeError('an id has 1..128 characters')
    if (value.length > this.#limits.maxBytes)
      throw new RangeError(`a record of ${value.length} bytes exceeds the archive's ${this.#limits.maxBytes}`)
    return this.#lock.run(WHOLE, async () => {
      const old = this.#entries.get(id)
      const evicted = this.#victims(value.length - (old?.bytes ?? 0), old === undefined ? 1 : 0, id)
      const sequence = this.#nextSequence++
      const record: Indexed = { id, bytes: value.length, sequence }
      const operations: BatchOperation[] = evicted.flatMap((entry) => this.#deletion(entry))
      if (old !== undefined)
        operations.push({ type: 'del', sublevel: this.#index, key: indexKey(old.sequence) })
      const indexed = new TextEncoder().encode(JSON.stringify([id, value.length]))
      operations.push({ type: 'put', sublevel: this.#data, key: id, value })
      operations.push({ type: 'put', sublevel: this.#index, key: indexKey(sequence), value: indexed })
      await writeSynced(this.#database, operations)
      for (const entry of evicted) this.#forget(entry.id)
      this.#forget(id)
      this.#remember(record)
    })
  }

  /** @returns whether there was one. */
  delete(id: string): Promise<boolean> {
    return this.#lock.run(WHOLE, async () => {
      const entry = this.#entries.get(id)
      if (entry === undefined) return false
      await writeSynced(this.#database, this.#deletion(entry))
      this.#forget(id)
      return true
    })
  }

  #deletion(entry: Indexed): BatchOperation[] {
    return [
      { type: 'del', sublevel: this.#data, key: entry.id },
      { type: 'del', sublevel: this.#index, key: indexKey(entry.sequence) },
    ]
  }

  /** The oldest records that must go so that `moreBytes` and `moreRecords` fit; never `keep`. */
  #victims(moreBytes: number, moreRecords: number, keep: string): Indexed[] {
    let bytes = this.#bytes + moreBytes
    let count = this.#entries.size + moreRecords
    const victims: Indexed[] = []
    for (const entry of this.#entries.values()) {
      if (bytes <= this.#limits.maxBytes && count <= this.#limits.maxCount) break
      if (entry.id === keep) continue
      victims.push(entry)
      bytes -= entry.bytes
      count--
    }
    return victims
  }

  #remember(entry: Indexed): void {
    this.#entries.set(entry.id, entry)
    this.#bytes += entry.bytes
    this.#nextSequence = Math.max(this.#nextSequence, entry.sequence + 1)
  }

  #forget(id: string): void {
    this.#bytes -= this.#entries.get(id)?.bytes ?? 0
    this.#entries.delete(id)
  }
}

const indexKey = (sequence: number): string => String(sequence).padStart(SEQUENCE_DIGITS, '0')

/** An {@link Archive} of typed records in deterministic CBOR. */
export class TypedArchive<T extends CborValue> {
  readonly archive: Archive
  readonly #schema: Schema<T>
  readonly #name: string

  constructor(archive: Archive, name: string, schema: Schema<T>) {
    this.archive = archive
    this.#schema = schema
    this.#name = name
  }

  get count(): number {
    return this.archive.count
  }

  has(id: string): boolean {
    return this.archive.has(id)
  }

  async get(id: string): Promise<T | undefined> {
    const bytes = await this.archive.get(id)
    return bytes && this.#schema.read(decode(bytes, { maxBytes: bytes.length }), `${this.#name}.${id}`)
  }

  /** @throws UserError BAD_MESSAGE where the value does not fit the schema. */
  async put(id: string, value: T): Promise<void> {
    await this.archive.put(id, encode(this.#schema.read(value, `${this.#name}.${id}`)))
  }

  delete(id: string): Promise<boolean> {
    return this.archive.delete(id)
  }

  /** Newest first. */
  async list(limit = Number.POSITIVE_INFINITY): Promise<readonly T[]> {
    const values = await Promise.all(this.archive.list(limit).map(({ id }) => this.get(id)))
    return values.filter((value) => value !== undefined)
  }
}
