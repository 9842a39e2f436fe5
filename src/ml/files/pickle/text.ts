/** Strings and integers in the encodings of the pickle protocols (CPython Lib/pickletools.py). */

import { PickleError } from './values.js'

/** Strict UTF-8, as Python writes `str`; lone surrogates (surrogatepass) are refused. */
export function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new PickleError('a string is not UTF-8')
  }
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** Python 2 `str` has no encoding: UTF-8 where it is that, else Latin-1. */
export function python2String(bytes: Uint8Array): string {
  try {
    return utf8(bytes)
  } catch {
    return latin1(bytes)
  }
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  "'": "'",
  '"': '"',
}

/** The argument of STRING: a quoted Python literal. */
export function quotedString(line: Uint8Array): string {
  const text = latin1(line).trim()
  const quote = text[0]
  if (text.length < 2 || (quote !== "'" && quote !== '"') || !text.endsWith(quote))
    throw new PickleError('a string is not quoted')
  return text
    .slice(1, -1)
    .replace(/\\(?:x([0-9a-fA-F]{2})|(.))/gs, (_, hex: string | undefined, simple: string | undefined) =>
      hex === undefined
        ? (SIMPLE_ESCAPES[simple ?? ''] ?? `\\${simple}`)
        : String.fromCharCode(Number.parseInt(hex, 16)),
    )
}

/** The argument of UNICODE: raw-unicode-escape, Latin-1 with \uXXXX and \UXXXXXXXX. */
export function rawUnicode(line: Uint8Array): string {
  return latin1(line).replace(
    /\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g,
    (_, short?: string, long?: string) => {
      const code = Number.parseInt(short ?? long ?? '0', 16)
      if (code > 0x10ffff) throw new PickleError('a string has an impossible character')
      return String.fromCodePoint(code)
    },
  )
}

/** Little-endian two's complement of any length: a number where it is safe, else a bigint. */
export function longInteger(bytes: Uint8Array): number | bigint {
  const value = BigInt(`0x0${Buffer.from(bytes.toReversed()).toString('hex')}`)
  const top = bytes.at(-1) ?? 0
  return shrink(top >= 0x80 ? value - (1n << BigInt(8 * bytes.length)) : value)
}

/** The argument of INT and LONG: decimal, LONG with a final L. */
export function decimalInteger(line: Uint8Array): number | bigint {
  const text = latin1(line).trim().replace(/L$/, '')
  if (!/^[+-]?\d{1,400}$/.test(text)) throw new PickleError('an integer is malformed')
  return shrink(BigInt(text.replace('+', '')))
}

/** The argument of FLOAT. */
export function decimalFloat(line: Uint8Array): number {
  const text = latin1(line).trim()
  const special: Readonly<Record<string, number>> = {
    nan: Number.NaN,
    inf: Number.POSITIVE_INFINITY,
    '-inf': Number.NEGATIVE_INFINITY,
  }
  const value = special[text] ?? Number(text)
  if (text === '' || (Number.isNaN(value) && text !== 'nan')) throw new PickleError('a float is malformed')
  return value
}

function shrink(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
