/** Reads fields of a body by a schema; what is wrong is told with the field's name. */
import { z } from 'zod'
import { isWellFormed } from '../well-formed.js'
import { badField } from './api-error.js'

/** Of a model, or `auto`. */
export const modelName = z.string().min(1).max(200)

export interface Fields<T> {
  readonly value: T
  /** Given, and without effect here: told in a header, since many clients send more than a model can use. */
  readonly ignored: readonly string[]
}

const SHOWN_NAME = /^[a-z][a-z_]{0,39}$/
const MOST_SHOWN = 16

/** @throws ApiError 400 */
export function readFields<Shape extends z.core.$ZodShape>(
  schema: z.ZodObject<Shape>,
  input: Readonly<Record<string, unknown>>,
): Fields<z.output<z.ZodObject<Shape>>> {
  const read = schema.safeParse(input)
  if (!read.success) {
    const [issue] = read.error.issues
    const name = String(issue?.path[0] ?? 'body')
    const isMissing = input[name] === undefined
    throw badField(
      name,
      isMissing ? `${name} is missing` : `${name}: ${issue?.message ?? 'wrong'}`,
      isMissing ? 'missing_field' : 'invalid_value',
    )
  }
  for (const [name, value] of Object.entries(read.data))
    if (!isText(value))
      throw badField(name, `${name}: it holds half a character (a lone surrogate of UTF-16)`)
  const ignored = Object.keys(input)
    .filter((name) => !Object.hasOwn(schema.shape, name) && SHOWN_NAME.test(name))
    .slice(0, MOST_SHOWN)
  return { value: read.data, ignored }
}

/** What is no text is none that is ill-formed. */
function isText(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isText)
  return typeof value !== 'string' || isWellFormed(value)
}
