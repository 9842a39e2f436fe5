/** The central directory of a zip archive, plain or zip64 (APPNOTE 6.3.10, sections 4.3.12 to 4.3.16, 4.5.3). */

import type { FileSource } from './byte-source.js'
import { printable, refuse } from './refuse.js'

export interface ZipEntry {
  readonly name: string
  readonly method: 'stored' | 'deflated'
  readonly compressedSize: number
  readonly size: number
  readonly crc32: number
  /** Of the local header, in the file. */
  readonly headerPosition: number
  /** Where the next entry or the directory begins: the data ends at or before it. */
  readonly limit: number
}

const END_SIGNATURE = 0x06054b50
const END_BYTES = 22
const MAX_COMMENT_BYTES = 0xffff
const END64_SIGNATURE = 0x06064b50
const END64_BYTES = 56
const LOCATOR_SIGNATURE = 0x07064b50
const LOCATOR_BYTES = 20
const ENTRY_SIGNATURE = 0x02014b50
const ENTRY_BYTES = 46
const LOCAL_BYTES = 30
const ENCRYPTED_FLAG = 1
const ZIP64_FIELD = 1
/** A checkpoint of 100k tensors has a directory of some 10 MiB. */
const MAX_DIRECTORY_BYTES = 64 << 20

interface DirectoryPlace {
  readonly position: number
  readonly size: number
  readonly count: number
}

/** @throws UserError for everything that is not a sound archive. */
export async function readZipDirectory(source: FileSource): Promise<ReadonlyMap<string, ZipEntry>> {
  const fail = (reason: string) => refuse(source.path, `not a valid zip archive: ${reason}`)
  const place = await findDirectory(source, fail)
  if (place.size > MAX_DIRECTORY_BYTES) throw fail(`its directory has ${place.size} bytes`)
  if (place.count * ENTRY_BYTES > place.size) throw fail('its directory is shorter than its entries')
  const bytes = await source.read(place.position, place.size)
  const found: ZipEntry[] = []
  let at = 0
  for (let i = 0; i < place.count; i++) {
    const { entry, next } = parseEntry(bytes, at, place.position, fail)
    found.push(entry)
    at = next
  }
  return boundEntries(found, place.position, fail)
}

type Fail = (reason: string) => Error

async function findDirectory(source: FileSource, fail: Fail): Promise<DirectoryPlace> {
  if (source.size < END_BYTES) throw fail('too short')
  const tailLength = Math.min(source.size, END_BYTES + MAX_COMMENT_BYTES)
  const tailPosition = source.size - tailLength
  const tail = await source.read(tailPosition, tailLength)
  const view = new DataView(tail.buffer)
  for (let at = tailLength - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) !== END_SIGNATURE) continue
    if (at + END_BYTES + view.getUint16(at + 20, true) !== tailLength) continue
    const plain = {
      count: view.getUint16(at + 10, true),
      size: view.getUint32(at + 12, true),
      position: view.getUint32(at + 16, true),
    }
    if (view.getUint16(at + 4, true) !== 0 && view.getUint16(at + 4, true) !== 0xffff)
      throw fail('split over several disks')
    const end = tailPosition + at
    const place = (await findDirectory64(source, end, fail)) ?? plain
    if (place.position + place.size > end) throw fail('its directory lies past its end record')
    return place
  }
  throw fail('no end record')
}

async function findDirectory64(
  source: FileSource,
  end: number,
  fail: Fail,
): Promise<DirectoryPlace | undefined> {
  if (end < LOCATOR_BYTES) return undefined
  const locator = new DataView((await source.read(end - LOCATOR_BYTES, LOCATOR_BYTES)).buffer)
  if (locator.getUint32(0, true) !== LOCATOR_SIGNATURE) return undefined
  const position = safe(locator.getBigUint64(8, true), fail)
  if (position + END64_BYTES > end) throw fail('its zip64 record lies past its end')
  const record = new DataView((await source.read(position, END64_BYTES)).buffer)
  if (record.getUint32(0, true) !== END64_SIGNATURE) throw fail('its zip64 record is missing')
  return {
    count: safe(record.getBigUint64(32, true), fail),
    size: safe(record.getBigUint64(40, true), fail),
    position: safe(record.getBigUint64(48, true), fail),
  }
}

function parseEntry(
  bytes: Uint8Array,
  at: number,
  directoryPosition: number,
  fail: Fail,
): { entry: ZipEntry; next: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (at + ENTRY_BYTES > bytes.length || view.getUint32(at, true) !== ENTRY_SIGNATURE)
    throw fail('its directory is cut short')
  const nameLength = view.getUint16(at + 28, true)
  const extraLength = view.getUint16(at + 30, true)
  const extraAt = at + ENTRY_BYTES + nameLength
  const next = extraAt + extraLength + view.getUint16(at + 32, true)
  if (next > bytes.length) throw fail('its directory is cut short')
  const name = new TextDecoder('utf-8').decode(bytes.subarray(at + ENTRY_BYTES, extraAt))
  const extra = new DataView(bytes.buffer, bytes.byteOffset + extraAt, extraLength)
  const [size, compressedSize, headerPosition] = widen64(
    [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)],
    extra,
    fail,
  )
  if ((view.getUint16(at + 8, true) & ENCRYPTED_FLAG) !== 0) throw fail(`"${printable(name)}" is encrypted`)
  const method = view.getUint16(at + 10, true)
  if (method !== 0 && method !== 8) throw fail(`"${printable(name)}" has the compression method ${method}`)
  if (method === 0 && size !== compressedSize) throw fail(`"${printable(name)}" is stored with two sizes`)
  if (headerPosition + LOCAL_BYTES + compressedSize > directoryPosition)
    throw fail(`"${printable(name)}" reaches into the directory`)
  const entry: ZipEntry = {
    name,
    method: method === 0 ? 'stored' : 'deflated',
    compressedSize,
    size,
    crc32: view.getUint32(at + 16, true),
    headerPosition,
    limit: directoryPosition,
  }
  return { entry, next }
}

/** 32-bit fields that are all ones have their value, in this order, in the zip64 extra field. */
function widen64(
  fields: readonly [number, number, number],
  extra: DataView,
  fail: Fail,
): readonly [number, number, number] {
  if (!fields.includes(0xffffffff)) return fields
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const length = extra.getUint16(at + 2, true)
    if (at + 4 + length > extra.byteLength) break
    if (extra.getUint16(at, true) === ZIP64_FIELD) {
      let from = at + 4
      const take = (field: number): number => {
        if (field !== 0xffffffff) return field
        if (from + 8 > at + 4 + length) throw fail('a zip64 field is cut short')
        from += 8
        return safe(extra.getBigUint64(from - 8, true), fail)
      }
      return [take(fields[0]), take(fields[1]), take(fields[2])]
    }
    at += 4 + length
  }
  throw fail('a zip64 field is missing')
}

/** Gives every entry the start of the next one as its limit. */
function boundEntries(
  found: readonly ZipEntry[],
  directoryPosition: number,
  fail: Fail,
): ReadonlyMap<string, ZipEntry> {
  const ordered = found.toSorted((a, b) => a.headerPosition - b.headerPosition)
  const entries = new Map<string, ZipEntry>()
  ordered.forEach((entry, i) => {
    const limit = ordered[i + 1]?.headerPosition ?? directoryPosition
    if (entry.headerPosition + LOCAL_BYTES + entry.compressedSize > limit)
      throw fail(`"${printable(entry.name)}" overlaps another entry`)
    if (entries.has(entry.name)) throw fail(`"${printable(entry.name)}" occurs twice`)
    entries.set(entry.name, { ...entry, limit })
  })
  return entries
}

function safe(wide: bigint, fail: Fail): number {
  if (wide > BigInt(Number.MAX_SAFE_INTEGER)) throw fail(`a size of ${wide} bytes`)
  return Number(wide)
}
