/**
 * The header of a safetensors file, checked in full before any tensor is read
 * (https://github.com/huggingface/safetensors#format): 8 bytes of little-endian length, JSON, then the data,
 * which the tensors must cover without hole or overlap.
 */

import type { FileSource } from './byte-source.js'
import { dtypeBytes, elementCount, isDtype, type TensorInfo } from './dtype.js'
import { JsonStructureError, jsonStructure } from './json-structure.js'
import { printable, refuse } from './refuse.js'

/** The format's own limit. */
const MAX_HEADER_BYTES = 100_000_000
export const LENGTH_BYTES = 8
const METADATA_KEY = '__metadata__'

export interface SafetensorsEntry extends TensorInfo {
  /** Offset of the first byte from the start of the file. */
  readonly position: number
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>
  readonly metadata: ReadonlyMap<string, string>
}

/** @throws UserError, one line, for every departure from the format. */
export async function readSafetensorsHeader(source: FileSource): Promise<SafetensorsHeader> {
  const fail = (reason: string) => refuse(source.path, `not a valid safetensors file: ${reason}`)
  if (source.size < LENGTH_BYTES) throw fail(`${source.size} bytes are too few for a header length`)
  const lengthBytes = await source.read(0, LENGTH_BYTES)
  const wide = new DataView(lengthBytes.buffer).getBigUint64(0, true)
  if (wide > BigInt(MAX_HEADER_BYTES)) throw fail(`header length ${wide} exceeds ${MAX_HEADER_BYTES} bytes`)
  const length = Number(wide)
  if (LENGTH_BYTES + length > source.size) throw fail(`header length ${length} reaches past the end`)

  const json = parseHeader(await source.read(LENGTH_BYTES, length), fail)
  const dataStart = LENGTH_BYTES + length
  const entries: SafetensorsEntry[] = []
  let metadata: ReadonlyMap<string, string> = new Map()
  for (const [name, value] of json) {
    if (name === METADATA_KEY) metadata = parseMetadata(value, fail)
    else entries.push(parseEntry(name, value, dataStart, fail))
  }
  checkCoverage(entries, dataStart, source.size, fail)
  return { entries: new Map(entries.map((entry) => [entry.name, entry])), metadata }
}

type Fail = (reason: string) => Error

function parseHeader(bytes: Uint8Array, fail: Fail): [string, unknown][] {
  if (bytes[0] !== 0x7b) throw fail('the header does not start with {')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw fail('the header is not UTF-8')
  }
  let json: unknown
  let topLevelKeys: number
  try {
    topLevelKeys = jsonStructure(text).topLevelKeys
    json = JSON.parse(text)
  } catch (error) {
    throw fail(`the header ${error instanceof JsonStructureError ? error.message : 'is not JSON'}`)
  }
  if (!isRecord(json)) throw fail('the header is not a JSON object')
  const entries = Object.entries(json)
  if (topLevelKeys !== entries.length) throw fail('a tensor name occurs twice')
  return entries
}

function parseMetadata(value: unknown, fail: Fail): ReadonlyMap<string, string> {
  if (!isRecord(value)) throw fail('__metadata__ is not an object')
  const metadata = new Map<string, string>()
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw fail(`__metadata__ "${printable(key)}" is not a string`)
    metadata.set(key, text)
  }
  return metadata
}

function parseEntry(name: string, value: unknown, dataStart: number, fail: Fail): SafetensorsEntry {
  const failAt = (reason: string) => fail(`tensor "${printable(name)}" ${reason}`)
  if (!isRecord(value)) throw failAt('is not an object')
  const { dtype, shape, data_offsets: offsets } = value
  if (!isDtype(dtype)) throw failAt(`has the unknown dtype ${shown(dtype)}`)
  const count = Array.isArray(shape) ? elementCount(shape) : undefined
  if (!Array.isArray(shape) || count === undefined) throw failAt(`has the malformed shape ${shown(shape)}`)
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? offsets : []
  if (!isOffset(begin) || !isOffset(end)) throw failAt('has no valid data_offsets')
  if (end < begin) throw failAt(`ends at ${end}, before it begins at ${begin}`)
  const bytes = count * dtypeBytes[dtype]
  if (bytes !== end - begin) throw failAt(`needs ${bytes} bytes by its shape but has ${end - begin}`)
  return { name, dtype, shape, position: dataStart + begin }
}

/** The tensors, by position, must meet end to end from the start of the data to the end of the file. */
function checkCoverage(
  entries: readonly SafetensorsEntry[],
  dataStart: number,
  size: number,
  fail: Fail,
): void {
  let covered = dataStart
  const bytes = (entry: SafetensorsEntry) => (elementCount(entry.shape) ?? 0) * dtypeBytes[entry.dtype]
  for (const entry of entries.toSorted((a, b) => a.position - b.position || bytes(a) - bytes(b))) {
    const name = printable(entry.name)
    if (entry.position < covered) throw fail(`tensor "${name}" overlaps another`)
    if (entry.position > covered)
      throw fail(`${entry.position - covered} bytes before tensor "${name}" belong to none`)
    covered += bytes(entry)
    if (covered > size) throw fail(`tensor "${name}" reaches past the end of the file`)
  }
  if (covered !== size) throw fail(`${size - covered} bytes after the last tensor belong to none`)
}

/** A JSON value of the wrong kind; `String` would call what the file names toString. */
const shown = (value: unknown): string =>
  typeof value === 'string' ? printable(value) : printable(JSON.stringify(value) ?? 'nothing')

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isOffset(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
