/**
 * Deterministic CBOR: RFC 8949 section 4.2.1, restricted to what plumbline signs and sends. One value has exactly
 * one encoding, and `decode` accepts no other.
 *
 * | allowed | in TypeScript |
 * |---|---|
 * | integers -2^64 .. 2^64-1 | `number` where safe (|n| <= 2^53 - 1), `bigint` beyond; both encode alike |
 * | byte strings | `Uint8Array` (a copy: it does not keep the message alive) |
 * | text strings, well-formed UTF-8 | `string` |
 * | arrays | arrays |
 * | maps with text keys, sorted by encoded bytes, none twice | plain objects with own properties |
 * | false, true, null | the same |
 *
 * Refused: floats, tags, indefinite lengths, undefined and other simple values, the key `__proto__`.
 */
import { decode as cborgDecode, encode as cborgEncode, rfc8949EncodeOptions } from 'cborg'
import { UserError } from '../errors.js'

export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue }

export interface DecodeLimits {
  /** Bytes of the whole message; default {@link DEFAULT_MAX_BYTES}. */
  readonly maxBytes?: number
  /** Nested arrays and maps; default {@link DEFAULT_MAX_DEPTH}. */
  readonly maxDepth?: number
}

/** A control message; transcripts and evidence name their own limit. */
export const DEFAULT_MAX_BYTES = 1_048_576
/** Our deepest message has 6 levels; far below what would exhaust the stack. */
export const DEFAULT_MAX_DEPTH = 16

/**
 * @throws TypeError for a value outside the table (a bug of the caller): fractions, unsafe numbers, undefined,
 *   class instances, ill-formed strings.
 */
export function encode(value: CborValue): Uint8Array {
  assertEncodable(value, 0)
  // A copy: cborg answers with a Buffer, sometimes a window of Node's shared pool.
  return new Uint8Array(cborgEncode(value, rfc8949EncodeOptions))
}

const LONGEST = 2n ** 64n

function assertEncodable(value: unknown, depth: number): void {
  if (depth > DEFAULT_MAX_DEPTH) throw new TypeError('cbor: nested too deeply, or circular')
  if (typeof value === 'string') {
    if (/\p{Surrogate}/u.test(value)) throw new TypeError('cbor: a string with a lone surrogate')
  } else if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TypeError(`cbor: ${value} is not a safe integer`)
  } else if (typeof value === 'bigint') {
    if (value >= LONGEST || value < -LONGEST) throw new TypeError('cbor: an integer beyond 64 bits')
  } else if (Array.isArray(value)) {
    for (const item of value) assertEncodable(item, depth + 1)
  } else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) throw new TypeError('cbor: not a plain object')
    for (const [key, item] of Object.entries(value)) {
      if (key === '__proto__') throw new TypeError('cbor: the key __proto__')
      assertEncodable(key, depth + 1)
      assertEncodable(item, depth + 1)
    }
  } else if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    throw new TypeError(`cbor: ${typeof value} has no encoding; leave the key out`)
  }
}

/** @throws UserError BAD_MESSAGE with one line, for anything but the one deterministic encoding of a value. */
export function decode(bytes: Uint8Array, limits: DecodeLimits = {}): CborValue {
  const maxBytes = limits.maxBytes ?? DEFAULT_MAX_BYTES
  if (bytes.length > maxBytes) throw malformed(`${bytes.length} bytes, at most ${maxBytes}`)
  // A Buffer's slice() is a view, not a copy; a Uint8Array's is a copy.
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  scan(view, limits.maxDepth ?? DEFAULT_MAX_DEPTH)
  let value: CborValue
  try {
    value = cborgDecode(view, DECODE_OPTIONS) as CborValue
  } catch (cause) {
    throw malformed(
      cause instanceof Error ? cause.message.replace(/^CBOR decode error: /, '') : 'not decodable',
    )
  }
  // Catches what is left: unsorted keys, and text whose UTF-8 was ill-formed.
  if (!equal(cborgEncode(value, rfc8949EncodeOptions), view)) throw malformed('not in deterministic form')
  return value
}

const DECODE_OPTIONS = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: true,
  rejectDuplicateMapKeys: true,
} as const

const MAJOR_BYTES = 2
const MAJOR_TEXT = 3
const MAJOR_ARRAY = 4
const MAJOR_MAP = 5
const MAJOR_TAG = 6
const SIMPLE_FALSE = 0xf4
const SIMPLE_NULL = 0xf6
/** Text head of 9 bytes, then the letters; a longer head is refused as not deterministic. */
const PROTO_KEY = new TextEncoder().encode('\x69__proto__')

/**
 * Walks the heads without recursion before the recursive decoder sees the bytes: bounds the depth, and every count
 * by the bytes that are there, so that nine bytes cannot ask for 2^60 entries.
 */
function scan(bytes: Uint8Array, maxDepth: number): void {
  /** Items still due in each open array or map; a map's pair is two, and its key is due where `left` is even. */
  const open: { left: number; readonly isMap: boolean }[] = []
  let at = 0
  do {
    const head = bytes[at]
    if (head === undefined) throw malformed('cut short')
    const major = head >> 5
    if (major > MAJOR_TAG && (head < SIMPLE_FALSE || head > SIMPLE_NULL))
      throw malformed('holds a float or a simple value other than false, true and null')
    if (major === MAJOR_TAG) throw malformed('holds a tag')
    const { argument, length } = readArgument(bytes, at, head & 31)
    at += length
    const bytesLeft = bytes.length - at
    const parent = open.at(-1)
    if (parent !== undefined) {
      if (parent.isMap && parent.left % 2 === 0 && startsWith(bytes, at - length, PROTO_KEY))
        throw malformed('holds the key __proto__')
      parent.left--
    }
    if (major === MAJOR_BYTES || major === MAJOR_TEXT) {
      if (argument > bytesLeft) throw malformed('cut short')
      at += argument
    } else if (major === MAJOR_ARRAY || major === MAJOR_MAP) {
      const isMap = major === MAJOR_MAP
      const items = isMap ? argument * 2 : argument
      if (items > bytesLeft) throw malformed('cut short')
      if (open.length >= maxDepth) throw malformed(`nested deeper than ${maxDepth}`)
      open.push({ left: items, isMap })
    }
    while (open.at(-1)?.left === 0) open.pop()
  } while (open.length > 0)
  if (at !== bytes.length) throw malformed(`${bytes.length - at} bytes after its end`)
}

function readArgument(bytes: Uint8Array, at: number, minor: number): { argument: number; length: number } {
  if (minor < 24) return { argument: minor, length: 1 }
  if (minor > 27) throw malformed('holds an indefinite length or a reserved head')
  const size = 2 ** (minor - 24)
  if (at + 1 + size > bytes.length) throw malformed('cut short')
  let argument = 0
  for (let i = 1; i <= size; i++) argument = argument * 256 + (bytes[at + i] ?? 0)
  return { argument, length: 1 + size }
}

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false
  return true
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

/** Of the reason that the decoder gives, which may hold the message's own keys. */
const MOST_REASON = 200

function malformed(what: string): UserError {
  const shown = what.replace(/[^\P{C}]/gu, ' ').slice(0, MOST_REASON)
  return new UserError(`malformed message: ${shown}`, { code: 'BAD_MESSAGE' })
}
