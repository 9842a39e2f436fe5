/**
 * Reads zip archives (PKWARE APPNOTE 6.3.10), stored and deflated, with zip64. The central directory rules;
 * entries are found by exact name and never become paths on the disk. Every size is checked against the
 * archive before memory is taken for it, and entries may not overlap.
 */

import { crc32, inflateRawSync } from 'node:zlib'
import type { FileSource } from './byte-source.js'
import { printable, refuse } from './refuse.js'
import { readZipDirectory, type ZipEntry } from './zip-directory.js'

const LOCAL_HEADER_BYTES = 30
const LOCAL_SIGNATURE = 0x04034b50
/** A deflated entry is inflated whole; PyTorch stores its tensors, so this holds pickles and small extras. */
const MAX_INFLATED_BYTES = 256 << 20

export class ZipArchive {
  readonly entries: ReadonlyMap<string, ZipEntry>
  readonly #source: FileSource

  private constructor(source: FileSource, entries: ReadonlyMap<string, ZipEntry>) {
    this.#source = source
    this.entries = entries
  }

  /** @throws UserError for a malformed archive, duplicate or overlapping entries, or encryption. */
  static async open(source: FileSource): Promise<ZipArchive> {
    return new ZipArchive(source, await readZipDirectory(source))
  }

  /** Position in the file of a stored entry's first byte. @throws UserError where it is compressed or absent. */
  async storedPosition(name: string): Promise<number> {
    const entry = this.#entry(name)
    if (entry.method !== 'stored')
      throw refuse(this.#source.path, `entry "${printable(name)}" is compressed; tensors must be stored`)
    return this.#dataPosition(entry)
  }

  /** The whole content of an entry of at most `limit` bytes; the checksum of a deflated one is verified. */
  async read(name: string, limit: number): Promise<Uint8Array> {
    const entry = this.#entry(name)
    const fail = (reason: string) => refuse(this.#source.path, `entry "${printable(name)}" ${reason}`)
    const allowed = Math.min(limit, MAX_INFLATED_BYTES)
    if (entry.size > allowed) throw fail(`has ${entry.size} bytes, more than ${allowed}`)
    const raw = await this.#source.read(await this.#dataPosition(entry), entry.compressedSize)
    if (entry.method === 'stored') return raw
    let content: Uint8Array
    try {
      content = inflateRawSync(raw, { maxOutputLength: Math.max(1, entry.size) })
    } catch {
      throw fail('does not inflate to its declared size')
    }
    if (content.length !== entry.size) throw fail('does not inflate to its declared size')
    if (crc32(content) !== entry.crc32) throw fail('has a wrong checksum')
    return content
  }

  #entry(name: string): ZipEntry {
    const entry = this.entries.get(name)
    if (entry === undefined) throw refuse(this.#source.path, `has no entry "${printable(name)}"`)
    return entry
  }

  /** The local header only tells how long itself is; its sizes may be zero (streamed archives). */
  async #dataPosition(entry: ZipEntry): Promise<number> {
    const local = await this.#source.read(entry.headerPosition, LOCAL_HEADER_BYTES)
    const view = new DataView(local.buffer)
    const start =
      entry.headerPosition + LOCAL_HEADER_BYTES + view.getUint16(26, true) + view.getUint16(28, true)
    if (view.getUint32(0, true) !== LOCAL_SIGNATURE || start + entry.compressedSize > entry.limit)
      throw refuse(
        this.#source.path,
        `entry "${printable(entry.name)}" does not lie where the directory says`,
      )
    return start
  }
}
