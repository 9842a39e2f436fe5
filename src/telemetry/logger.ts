/**
 * The log: pino to standard error, never standard output, which carries results. Whatever is logged under a name that
 * suggests a secret is replaced before it is written, at any depth.
 */
import { type Logger as PinoLogger, pino, stdSerializers } from 'pino'
import { prettyLine } from './pretty.js'

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

type Fields = Readonly<Record<string, unknown>>
interface LogMethod {
  (message: string): void
  (fields: Fields, message: string): void
}
/** What rooms ask for; a test hands in `silentLogger`. */
export interface Logger {
  readonly error: LogMethod
  readonly warn: LogMethod
  readonly info: LogMethod
  readonly debug: LogMethod
  readonly trace: LogMethod
  /** A logger that adds these fields to every line; `component` names the part of the program. */
  child(fields: Fields): Logger
}

export interface LoggerOptions {
  readonly level?: LogLevel
  /** `pretty` for people, `json` (one object a line) for collectors. */
  readonly format?: 'pretty' | 'json'
  /** Receives whole lines; standard error unless a test says otherwise. */
  readonly write?: (line: string) => void
}

const REDACTED = '[redacted]'
/** `key` alone or `...Key` counts, except public keys; so do secrets, passphrases, passwords, seeds and mnemonics. */
const SECRET_NAME = /^(?!.*public).*(?:key|keys|secret.*|passphrase.*|password.*|seed|seeds|mnemonic)$/i
/** Deep enough for our records; a line is no place for a whole transcript. */
const MAX_DEPTH = 6
const MAX_ITEMS = 50
const MAX_TEXT = 2000
/** Longer byte strings are shown by their length. */
const MAX_HEX_BYTES = 65

/** A copy that is safe to write: secrets replaced, bytes as hex, bigints as text, everything bounded. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'string') return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}...` : value
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array)
    return value.length <= MAX_HEX_BYTES ? Buffer.from(value).toString('hex') : `<${value.length} bytes>`
  if (value instanceof Error) return redact(stdSerializers.err(value), depth)
  if (value instanceof Date) return value.toISOString()
  if (depth >= MAX_DEPTH) return '<...>'
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => redact(item, depth + 1))
  if ('toJSON' in value && typeof value.toJSON === 'function') return redact(value.toJSON(), depth + 1)
  const entries = value instanceof Map ? [...value] : Object.entries(value)
  return Object.fromEntries(
    entries
      .slice(0, MAX_ITEMS)
      .map(([name, item]) => [
        String(name),
        SECRET_NAME.test(String(name)) ? REDACTED : redact(item, depth + 1),
      ]),
  )
}

const redactRecord = (record: object): Record<string, unknown> => redact(record) as Record<string, unknown>

export function createLogger(options: LoggerOptions = {}): Logger {
  // Synchronous: the last lines before a crash are the ones that matter, and our rate is low.
  const stderr = pino.destination({ fd: 2, sync: true })
  const write = options.write ?? ((line: string) => void stderr.write(line))
  const pretty = (options.format ?? 'pretty') === 'pretty'
  const root = pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: redactRecord },
      serializers: { err: (value: unknown) => value, error: (value: unknown) => value },
    },
    { write: (line: string) => write(pretty ? prettyLine(line) : line) },
  )
  return wrap(root)
}

/** pino does not format the bindings of a child; we redact them first. */
function wrap(logger: PinoLogger): Logger {
  return {
    error: logger.error.bind(logger),
    warn: logger.warn.bind(logger),
    info: logger.info.bind(logger),
    debug: logger.debug.bind(logger),
    trace: logger.trace.bind(logger),
    child: (fields) => wrap(logger.child(redactRecord(fields))),
  }
}

/** Drops everything. */
export const silentLogger: Logger = createLogger({ level: 'silent', write: () => {} })
