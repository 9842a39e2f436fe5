/**
 * Typed readers for decoded CBOR: a schema checks a value and gives it its TypeScript type. Errors are one line with
 * the path: `plan.teams[3].rateKbps: expected an integer 1..10000000, got "x"`.
 *
 *     const ack = object({ k: integer({ max: 255 }), digest: bytes({ length: 32 }), note: optional(text({ max: 80 })) })
 *     type Ack = Infer<typeof ack>
 *     const value = ack.read(decode(message), 'ack')
 *
 * Every length has a bound; keys that the schema does not name are refused.
 */
import { shown, UserError } from '../errors.js'
import { type CborValue, type DecodeLimits, decode, encode } from './cbor.js'

export interface Schema<T> {
  /** @throws UserError BAD_MESSAGE, whose message starts with `path`. */
  read(value: unknown, path: string): T
}
/** A field of an {@link object} that may be absent. (null is not absence.) */
export interface OptionalField<T> {
  readonly optional: Schema<T>
}
/** The TypeScript type that a schema reads. */
export type Infer<S> = S extends Schema<infer T> ? T : never

type Fields = Readonly<Record<string, Schema<unknown> | OptionalField<unknown>>>
type RequiredKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends OptionalField<unknown> ? never : K
}[keyof F]
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends OptionalField<unknown> ? K : never
}[keyof F]
type FieldType<F> = F extends OptionalField<infer T> ? T : F extends Schema<infer T> ? T : never
/** What {@link object} reads: readonly, optional fields absent rather than undefined. */
export type ObjectOf<F extends Fields> = { readonly [K in RequiredKeys<F>]: FieldType<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: FieldType<F[K]>
}

function fail(path: string, expected: string, got: unknown): never {
  throw new UserError(`${path}: expected ${expected}, got ${describe(got)}`, { code: 'BAD_MESSAGE' })
}

const MOST_SHOWN = 40

/** A short, printable account of a value from outside. */
function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'string')
    return shown(JSON.stringify(value.length > MOST_SHOWN ? `${value.slice(0, MOST_SHOWN)}...` : value))
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (Array.isArray(value)) return `an array of ${value.length}`
  return typeof value === 'object' && value !== null ? 'a map' : String(value)
}

/** A safe integer from `min` (default 0) to `max`. */
export function integer({ min = 0, max }: { readonly min?: number; readonly max: number }): Schema<number> {
  return {
    read: (value, path) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
        ? value
        : fail(path, `an integer ${min}..${max}`, value),
  }
}

const MAX_UINT64 = 2n ** 64n - 1n
/** An integer of up to 64 bits, always as a bigint: for amounts in wei and nanosecond times. Default 0..2^64-1. */
export function bigInteger({
  min = 0n,
  max = MAX_UINT64,
}: {
  readonly min?: bigint
  readonly max?: bigint
} = {}): Schema<bigint> {
  return {
    read: (value, path) => {
      const isInteger = typeof value === 'bigint' || Number.isSafeInteger(value)
      const number = isInteger ? BigInt(value as bigint | number) : undefined
      return number !== undefined && number >= min && number <= max
        ? number
        : fail(path, `an integer ${min}..${max}`, value)
    },
  }
}

type BytesSize = { readonly length: number } | { readonly min?: number; readonly max: number }
/** A byte string of exactly `length`, or of `min` (default 0) to `max` bytes. */
export function bytes(size: BytesSize): Schema<Uint8Array> {
  const min = 'length' in size ? size.length : (size.min ?? 0)
  const max = 'length' in size ? size.length : size.max
  return {
    read: (value, path) =>
      value instanceof Uint8Array && value.length >= min && value.length <= max
        ? value
        : fail(path, min === max ? `${min} bytes` : `${min}..${max} bytes`, value),
  }
}

/** A string of `min` (default 0) to `max` UTF-16 units, matching `pattern` where given (`what` describes it). */
export function text(options: {
  readonly min?: number
  readonly max: number
  readonly pattern?: RegExp
  readonly what?: string
}): Schema<string> {
  const { min = 0, max, pattern, what = 'text' } = options
  return {
    read: (value, path) =>
      typeof value === 'string' &&
      value.length >= min &&
      value.length <= max &&
      (pattern?.test(value) ?? true)
        ? value
        : fail(path, `${what} of ${min}..${max} characters`, value),
  }
}

export const boolean: Schema<boolean> = {
  read: (value, path) => (typeof value === 'boolean' ? value : fail(path, 'true or false', value)),
}

/** One of the given strings or numbers. */
export function enumeration<const T extends string | number>(...values: readonly T[]): Schema<T> {
  return {
    read: (value, path) =>
      values.find((each) => each === value) ?? fail(path, `one of ${values.map(describe).join(', ')}`, value),
  }
}

/** An array of `min` (default 0) to `max` items. */
export function array<T>(
  item: Schema<T>,
  { min = 0, max }: { readonly min?: number; readonly max: number },
): Schema<readonly T[]> {
  return {
    read: (value, path) => {
      if (!Array.isArray(value) || value.length < min || value.length > max)
        return fail(path, min === max ? `an array of ${min}` : `an array of ${min}..${max}`, value)
      return value.map((each: unknown, index) => item.read(each, `${path}[${index}]`))
    },
  }
}

/** An object field that may be left out. */
export function optional<T>(schema: Schema<T>): OptionalField<T> {
  return { optional: schema }
}

/** A map with exactly these keys, optional ones aside. */
export function object<const F extends Fields>(fields: F): Schema<ObjectOf<F>> {
  const entries = Object.entries(fields)
  const known = new Set(Object.keys(fields))
  return {
    read: (value, path) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
        return fail(path, 'a map', value)
      const source = value as Readonly<Record<string, unknown>>
      for (const key of Object.keys(source))
        if (!known.has(key))
          throw new UserError(`${path}: unknown key ${describe(key)}`, { code: 'BAD_MESSAGE' })
      const result: Record<string, unknown> = {}
      for (const [key, field] of entries) {
        const item = Object.hasOwn(source, key) ? source[key] : undefined
        if (!('optional' in field)) result[key] = field.read(item, `${path}.${key}`)
        else if (item !== undefined) result[key] = field.optional.read(item, `${path}.${key}`)
      }
      return result as ObjectOf<F>
    },
  }
}

/** Maps told apart by the value of one text field: `union('kind', { a: object({ kind: enumeration('a'), ... }) })`. */
export function union<const M extends Readonly<Record<string, Schema<unknown>>>>(
  key: string,
  cases: M,
): Schema<Infer<M[keyof M]>> {
  const names = Object.keys(cases)
  return {
    read: (value, path) => {
      const tag =
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
      const schema = typeof tag === 'string' && Object.hasOwn(cases, tag) ? cases[tag] : undefined
      if (schema === undefined) return fail(`${path}.${key}`, `one of ${names.map(describe).join(', ')}`, tag)
      return schema.read(value, path) as Infer<M[keyof M]>
    },
  }
}

/** null, for requests and answers without a body. */
export const nothing: Schema<null> = {
  read: (value, path) => (value === null ? null : fail(path, 'null', value)),
}

/** `schema.read` as a function, for values that come from elsewhere than CBOR. @throws UserError BAD_MESSAGE */
export function read<T>(schema: Schema<T>, value: unknown, path: string): T {
  return schema.read(value, path)
}

/** Any value: for a body that another schema reads later. */
export const anything: Schema<CborValue> = {
  read: (value, path) => (value === undefined ? fail(path, 'a value', value) : (value as CborValue)),
}

/** Decodes and reads in one go. @throws UserError BAD_MESSAGE */
export function decodeAs<T>(schema: Schema<T>, message: Uint8Array, path: string, limits?: DecodeLimits): T {
  return schema.read(decode(message, limits), path)
}

/** Checks and encodes in one go, so that what we sign or send is what a reader will accept. @throws UserError */
export function encodeAs<T extends CborValue>(schema: Schema<T>, value: T, path: string): Uint8Array {
  return encode(schema.read(value, path) as CborValue)
}
