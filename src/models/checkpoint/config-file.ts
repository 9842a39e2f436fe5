/** config.json of a model directory, checked by a schema; every fault in one line that names the file. */
import { join } from 'node:path'
import type { z } from 'zod'
import { readJsonObject } from '../../ml/files/read-json.js'
import { printable, refuse } from '../../ml/files/refuse.js'

export type JsonObject = Readonly<Record<string, unknown>>

export const readConfig = (directory: string): Promise<JsonObject> =>
  readJsonObject(join(directory, 'config.json'))

/**
 * The configuration by a schema.
 * @param path of the file, for the message.
 * @throws UserError naming each option that is missing or out of range.
 */
export function parseConfig<Schema extends z.ZodType>(
  schema: Schema,
  json: JsonObject,
  path: string,
): z.output<Schema> {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`)
  throw refuse(path, `is not a configuration that is known here: ${printable(faults.join(', '))}`, {
    remedy: 'use the config.json that was published with the weights',
  })
}

/** The first entry of `architectures`. @throws UserError where there is none. */
export function architectureOf(json: JsonObject, path: string): string {
  const { architectures } = json
  const [first] = Array.isArray(architectures) ? (architectures as unknown[]) : []
  if (typeof first !== 'string') throw refuse(path, 'names no architecture')
  return first
}

/** @throws UserError that names what is not known here, and what is. */
export function unknownArchitecture(path: string, name: string, known: readonly string[]): Error {
  return refuse(path, `the architecture "${printable(name)}" is not known here`, {
    remedy: `use a checkpoint of ${known.join(', ')}`,
  })
}

/** Labels by class number, of a configuration's `id2label`; as many as `otherwise` where there is none. */
export function labelsOf(
  names: Readonly<Record<string, string>> | undefined,
  otherwise: number,
): readonly string[] {
  const total = names === undefined ? otherwise : Object.keys(names).length
  return Array.from({ length: total }, (_, i) => names?.[String(i)] ?? `LABEL_${i}`)
}
