/** A log line for people: `12:03:04 INFO  p2p: connected peer=16Uiu2... ms=12`, then the stack of an error. */

const HIDDEN = new Set(['level', 'time', 'msg', 'component', 'err', 'error'])

/** Turns pino's JSON line into a readable one; a line that is no JSON passes unchanged. */
export function prettyLine(line: string): string {
  let record: Record<string, unknown>
  try {
    record = JSON.parse(line) as Record<string, unknown>
  } catch {
    return line
  }
  const time = typeof record.time === 'string' ? record.time.slice(11, 19) : ''
  const level = String(record.level ?? '')
    .toUpperCase()
    .padEnd(5)
  const component = typeof record.component === 'string' ? `${record.component}: ` : ''
  const fields = Object.entries(record)
    .filter(([name]) => !HIDDEN.has(name))
    .map(([name, value]) => ` ${name}=${printable(value)}`)
    .join('')
  return `${time} ${level} ${component}${String(record.msg ?? '')}${fields}${errorText(record.err ?? record.error)}\n`
}

/** Control characters would let a remote peer's text move the cursor: JSON escapes them. */
function printable(value: unknown): string {
  if (typeof value === 'string') return /^[\x21-\x7e]+$/.test(value) ? value : JSON.stringify(value)
  return JSON.stringify(value) ?? 'undefined'
}

function errorText(error: unknown): string {
  if (error === undefined) return ''
  if (typeof error !== 'object' || error === null) return ` error=${printable(error)}`
  const { stack, message } = error as { readonly stack?: unknown; readonly message?: unknown }
  return typeof stack === 'string' ? `\n${stack}` : ` error=${printable(message)}`
}
