/** Small JSON files of a checkpoint directory (configuration, vocabulary, shard index). */

import { FileSource } from './byte-source.js'
import { JsonStructureError, jsonStructure } from './json-structure.js'
import { refuse } from './refuse.js'

/** The largest published vocabularies are a few MiB; a shard index of 100k tensors is some 10 MiB. */
const MAX_BYTES = 64 << 20

/** @throws UserError where the file is missing, over 64 MiB, not UTF-8, not JSON, or out of all proportion. */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path)
  try {
    jsonStructure(text)
    return JSON.parse(text)
  } catch (cause) {
    throw refuse(path, cause instanceof JsonStructureError ? cause.message : 'is not JSON', { cause })
  }
}

/** As {@link readJson}, but the file must hold an object. */
export async function readJsonObject(path: string): Promise<Readonly<Record<string, unknown>>> {
  const value = await readJson(path)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse(path, 'is not a JSON object')
  return value as Record<string, unknown>
}

/** @throws UserError where the file is missing, over 64 MiB, or not UTF-8. */
export async function readText(path: string): Promise<string> {
  const bytes = await readSmall(path)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw refuse(path, 'is not UTF-8 text', { cause })
  }
}

/** The whole of a small file. @throws UserError where it is missing or over 64 MiB. */
export async function readSmall(path: string): Promise<Uint8Array> {
  const source = await FileSource.open(path)
  try {
    if (source.size > MAX_BYTES) throw refuse(path, `has ${source.size} bytes, more than ${MAX_BYTES}`)
    return await source.read(0, source.size)
  } finally {
    await source.close()
  }
}
