/**
 * Typed options: each knows its unit, its default, how to read its text, and what to say when that fails. Values reach
 * us as text, so that a mistake can be quoted as it was typed.
 */
import { UserError } from '../errors.js'
import { isWellFormed } from '../inference/well-formed.js'

export interface OptionSpec<T> {
  /** What stands for the value in help, unit included (`Mbit/s`); undefined for a flag without a value. */
  readonly placeholder: string | undefined
  /** One sentence, without the default. */
  readonly summary: string
  /** Shown in help; undefined where there is none. */
  readonly defaultText: string | undefined
  readonly choices: readonly string[]
  readonly completes: 'file' | 'directory' | undefined
  /** Kept out of help and completion. */
  readonly hidden: boolean
  readonly required: boolean
  /** The value of a text, or the default where the option is absent. @throws UserError BAD_ARGUMENT */
  read(text: string | undefined, name: string): T
}
export type OptionSpecs = Readonly<Record<string, OptionSpec<unknown>>>

type Camel<S> = S extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S
/** What a handler receives: the values by camel-case name. */
export type ArgsOf<O> = {
  readonly [K in keyof O as Camel<K>]: O[K] extends OptionSpec<infer T> ? T : never
}

interface Common {
  readonly summary: string
  readonly placeholder?: string
  /** Where the default is not a constant: what it is, in words. */
  readonly defaultText?: string
  readonly hidden?: boolean
}
interface WithDefault<T> {
  readonly default: T
}
interface Required {
  /** Its absence is a mistake. */
  readonly required: true
}
type Whole<T> = Common & Partial<WithDefault<T>> & Partial<Required>

export function badArgument(message: string, remedy?: string): UserError {
  return new UserError(message, {
    code: 'BAD_ARGUMENT',
    exitStatus: 2,
    ...(remedy === undefined ? {} : { remedy }),
  })
}

/** Text that a person typed, short and without control characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text)
}

function spec<T>(
  options: Whole<T>,
  rest: {
    readonly placeholder: string
    readonly choices?: readonly string[]
    readonly completes?: 'file' | 'directory' | undefined
    readonly read: (text: string, name: string) => T
  },
): OptionSpec<T | undefined> {
  const { default: fallback, required = false } = options
  return {
    placeholder: rest.placeholder,
    summary: options.summary,
    defaultText: options.defaultText ?? (fallback === undefined ? undefined : String(fallback)),
    choices: rest.choices ?? [],
    completes: rest.completes,
    hidden: options.hidden ?? false,
    required,
    read: (value, name) => {
      if (value === undefined && required)
        throw badArgument(`${name} is missing`, `give it: ${options.summary}`)
      return value === undefined ? fallback : rest.read(value, name)
    },
  }
}

/** A switch, off unless given. */
export function flag(summary: string, options: { readonly hidden?: boolean } = {}): OptionSpec<boolean> {
  return {
    placeholder: undefined,
    summary,
    defaultText: undefined,
    choices: [],
    completes: undefined,
    hidden: options.hidden ?? false,
    required: false,
    read: (value) => value === 'true',
  }
}

interface TextLimits {
  readonly completes?: 'file' | 'directory'
}

export function text(options: Common & TextLimits & (WithDefault<string> | Required)): OptionSpec<string>
export function text(options: Common & TextLimits): OptionSpec<string | undefined>
export function text(options: Whole<string> & TextLimits): OptionSpec<string | undefined> {
  return spec(options, {
    placeholder: options.placeholder ?? options.completes ?? 'text',
    completes: options.completes,
    read: (value, name) => {
      if (value === '') throw badArgument(`${name} is empty`)
      if (!isWellFormed(value))
        throw badArgument(`${name} holds half a character (a lone surrogate)`, 'give well-formed Unicode')
      return value
    },
  })
}

export interface NumberLimits {
  readonly min?: number
  /** Exclusive. */
  readonly above?: number
  readonly max?: number
  readonly integer?: boolean
}

/** A number in the unit that the placeholder names. */
export function number(options: Common & NumberLimits & (WithDefault<number> | Required)): OptionSpec<number>
export function number(options: Common & NumberLimits): OptionSpec<number | undefined>
export function number(options: Whole<number> & NumberLimits): OptionSpec<number | undefined> {
  return spec(options, {
    placeholder: options.placeholder ?? 'number',
    read: (value, name) => readNumber(value, name, options),
  })
}

/** @throws UserError BAD_ARGUMENT that names the option, what was expected and what was typed */
export function readNumber(value: string, name: string, limits: NumberLimits): number {
  const parsed = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(value) ? Number(value) : Number.NaN
  const wrong =
    !Number.isFinite(parsed) ||
    (limits.integer === true && !Number.isSafeInteger(parsed)) ||
    parsed < (limits.min ?? Number.NEGATIVE_INFINITY) ||
    parsed <= (limits.above ?? Number.NEGATIVE_INFINITY) ||
    parsed > (limits.max ?? Number.POSITIVE_INFINITY)
  if (wrong) throw badArgument(`${name} expects ${describeLimits(limits)}, not ${quoted(value)}`)
  return parsed
}

function describeLimits({ min, above, max, integer }: NumberLimits): string {
  const noun = integer === true ? 'a whole number' : 'a number'
  if (min !== undefined && max !== undefined) return `${noun} from ${min} to ${max}`
  if (above !== undefined && max !== undefined) return `${noun} above ${above}, at most ${max}`
  if (min !== undefined) return `${noun} of at least ${min}`
  if (above !== undefined) return `${noun} above ${above}`
  return max === undefined ? noun : `${noun} of at most ${max}`
}

/** One of a few words. */
export function choice<const V extends string>(
  values: readonly V[],
  options: Common & (WithDefault<NoInfer<V>> | Required),
): OptionSpec<V>
export function choice<const V extends string>(
  values: readonly V[],
  options: Common,
): OptionSpec<V | undefined>
export function choice<const V extends string>(
  values: readonly V[],
  options: Whole<V>,
): OptionSpec<V | undefined> {
  return spec<V>(options, {
    placeholder: options.placeholder ?? values.join('|'),
    choices: values,
    read: (value, name) => {
      const found = values.find((each) => each === value)
      if (found === undefined) throw badArgument(`${name} expects ${either(values)}, not ${quoted(value)}`)
      return found
    },
  })
}

/** Several values, separated by commas. */
export function list<V extends string = string>(
  options: Common & {
    readonly choices?: readonly V[]
    /** Throws a UserError for an item that is wrong. */
    readonly check?: (item: string) => unknown
  },
): OptionSpec<readonly V[] | undefined> {
  const { choices = [], check } = options
  return spec<readonly V[]>(options, {
    placeholder: options.placeholder ?? 'a,b',
    choices,
    read: (value, name) => {
      const items = value
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '')
      for (const item of items)
        if (choices.length > 0 && !choices.some((known) => known === item))
          throw badArgument(`${name} expects ${either(choices)}, not ${quoted(item)}`)
      for (const item of items) checkItem(item, name, check)
      return items as V[]
    },
  })
}

function checkItem(item: string, name: string, check: ((item: string) => unknown) | undefined): void {
  try {
    check?.(item)
  } catch (error) {
    throw error instanceof UserError ? badArgument(`${name}: ${error.message}`, error.remedy) : error
  }
}

function either(values: readonly string[]): string {
  const last = values.at(-1) ?? ''
  return values.length < 2 ? last : `${values.slice(0, -1).join(', ')} or ${last}`
}
