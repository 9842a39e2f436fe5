/** config.json of a model directory, checked by a schema; every fault in one line that names the file. */
import { join } from 'node:path'
import { z } from 'zod'
import { readJsonObject } from '../../ml/files/read-json.js'
import { printable, refuse } from '../../ml/files/refuse.js'
import { ShapeError } from '../../ml/graph/index.js'

export type JsonObject = Readonly<Record<string, unknown>>

/** A width, a kernel, a vocabulary: four times the largest vocabulary that was published. */
export const size = z
  .number()
  .int()
  .positive()
  .max(2 ** 22)
/** Blocks of a network; the deepest published here has 48. A graph is built of each before the weights are seen. */
export const depth = z.number().int().nonnegative().max(512)

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
  const parsed = schema.safeParse(withoutUnsaid(schema, json))
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`)
  throw refuse(path, `is not a configuration that is known here: ${printable(faults.join(', '))}`, {
    remedy: 'use the config.json that was published with the weights',
  })
}

/** Published files write null for what they leave to its default; where null is a value of its own, it stays. */
function withoutUnsaid(schema: z.ZodType, json: JsonObject): JsonObject {
  if (!(schema instanceof z.ZodObject)) return json
  const fields: Readonly<Record<string, z.ZodType>> = schema.shape
  const isSaid = (name: string, value: unknown): boolean =>
    value !== null || !Object.hasOwn(fields, name) || fields[name]?.safeParse(null).success === true
  return Object.fromEntries(Object.entries(json).filter(([name, value]) => isSaid(name, value)))
}

/** Sizes that fit one by one and not together are the file's fault, whatever part of the network finds them. */
export function asConfigFault(error: unknown, directory: string): unknown {
  if (!(error instanceof ShapeError)) return error
  return refuse(join(directory, 'config.json'), `describes no network: ${printable(error.message)}`, {
    remedy: 'use the config.json that was published with the weights',
    cause: error,
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
