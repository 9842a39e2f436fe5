import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { type CborValue, decode, encode } from '../../../src/crypto/cbor.js'
import { UserError } from '../../../src/errors.js'

/** RFC 8949 appendix A, the rows whose values we allow. */
const ALLOWED: readonly (readonly [string, CborValue])[] = [
  ['00', 0],
  ['01', 1],
  ['0a', 10],
  ['17', 23],
  ['1818', 24],
  ['1819', 25],
  ['1864', 100],
  ['1903e8', 1000],
  ['1a000f4240', 1_000_000],
  ['1b000000e8d4a51000', 1_000_000_000_000],
  ['1bffffffffffffffff', 18446744073709551615n],
  ['3bffffffffffffffff', -18446744073709551616n],
  ['20', -1],
  ['29', -10],
  ['3863', -100],
  ['3903e7', -1000],
  ['f4', false],
  ['f5', true],
  ['f6', null],
  ['40', new Uint8Array(0)],
  ['4401020304', Uint8Array.of(1, 2, 3, 4)],
  ['60', ''],
  ['6161', 'a'],
  ['6449455446', 'IETF'],
  ['62225c', '"\\'],
  ['62c3bc', '\u00fc'],
  ['63e6b0b4', '\u6c34'],
  ['64f0908591', '\ud800\udd51'],
  ['80', []],
  ['83010203', [1, 2, 3]],
  ['8301820203820405', [1, [2, 3], [4, 5]]],
  ['98190102030405060708090a0b0c0d0e0f101112131415161718181819', Array.from({ length: 25 }, (_, i) => i + 1)],
  ['a0', {}],
  ['a26161016162820203', { a: 1, b: [2, 3] }],
  ['826161a161626163', ['a', { b: 'c' }]],
  ['a56161614161626142616361436164614461656145', { a: 'A', b: 'B', c: 'C', d: 'D', e: 'E' }],
]

/** Appendix A's other rows, and forms that RFC 8949 section 4.2.1 forbids. */
const REFUSED: Readonly<Record<string, string>> = {
  'bignum (tag)': 'c249010000000000000000',
  'float 0.0': 'f90000',
  'float 1.5': 'f93e00',
  'float 1.1': 'fb3ff199999999999a',
  'float 1.0 for integer 1': 'f93c00',
  Infinity: 'f97c00',
  NaN: 'f97e00',
  undefined: 'f7',
  'simple 16': 'f0',
  'simple 255': 'f8ff',
  'tag 1 (time)': 'c11a514b67b0',
  'integer keys': 'a201020304',
  'indefinite bytes': '5f42010243030405ff',
  'indefinite text': '7f657374726561646d696e67ff',
  'indefinite array': '9f018202039f0405ffff',
  'indefinite map': 'bf61610161629f0203ffff',
  'a lone break': 'ff',
  'integer one byte too long': '1800',
  'integer three bytes too long': '1a00000001',
  'integer seven bytes too long': '1b0000000000000001',
  'length too long': '580101',
  'array count too long': '980101',
  'unsorted keys': 'a2616201616101',
  'keys sorted by length first (RFC 7049)': 'a2616201626161',
  'duplicate keys': 'a2616101616102',
  'ill-formed UTF-8': '62c328',
  'encoded surrogate': '63eda080',
  'reserved head': '1c',
  'reserved head in bytes': '5d',
  empty: '',
  'bytes cut short': '430102',
  'array cut short': '830102',
  'map cut short': 'a16161',
  'trailing byte': '0000',
  'an array of 2^60': '9b1000000000000000',
  'a map of 2^63': 'bb8000000000000000',
  'bytes of 2^64 - 1': '5bffffffffffffffff',
  'the key __proto__': 'a1695f5f70726f746f5f5fa0',
}

describe('deterministic CBOR (RFC 8949 section 4.2.1)', () => {
  it.each(ALLOWED)('%s', (hex, value) => {
    expect(bytesToHex(encode(value))).toBe(hex)
    expect(decode(hexToBytes(hex))).toEqual(value)
  })

  it.each(Object.entries(REFUSED))('refuses %s', (_, hex) => {
    expect(() => decode(hexToBytes(hex))).toThrow(UserError)
  })

  it('show no control character of a key that comes twice, and not all of a long one', () => {
    // {"\f...": 0, "\f...": 0}: the decoder's reason repeats the key.
    const twice = (key: Uint8Array): Uint8Array => {
      const head = [0x79, key.length >> 8, key.length & 255]
      return Uint8Array.from([0xa2, ...head, ...key, 0, ...head, ...key, 0])
    }
    const key = new Uint8Array(1000).fill(0x61)
    key.set([0x0c, 0x1b, 0x7f])
    const reason = (() => {
      try {
        return String(decode(twice(key)))
      } catch (error) {
        return (error as Error).message
      }
    })()
    expect(reason).toMatch(/^malformed message: .*aaaa/)
    expect(reason).not.toMatch(/\p{C}/u)
    expect(reason.length).toBeLessThan(250)
  })

  it('sorts keys by their encoded bytes, not by length alone', () => {
    // RFC 8949 section 4.2.1: bytewise order of the encoded keys, so shorter texts come first.
    expect(bytesToHex(encode({ aa: 2, b: 1, a: 0 }))).toBe('a361610061620162616102')
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => ['k'.repeat(40 - i), i]))
    expect(Object.keys(decode(encode(many)) as object)).toEqual(Object.keys(many).reverse())
  })

  it('reads integers as numbers up to 2^53 - 1 and as bigints beyond; both encode alike', () => {
    const limit = Number.MAX_SAFE_INTEGER
    expect(decode(encode(limit))).toBe(limit)
    expect(decode(encode(BigInt(limit)))).toBe(limit)
    expect(decode(encode(BigInt(limit) + 1n))).toBe(BigInt(limit) + 1n)
    expect(decode(encode(-limit))).toBe(-limit)
    expect(decode(encode(-BigInt(limit) - 1n))).toBe(-BigInt(limit) - 1n)
    expect(encode(5n)).toEqual(encode(5))
  })

  it('throws a bug, not a user error, for values without an encoding', () => {
    const circular: unknown[] = []
    circular.push(circular)
    const bad: unknown[] = [
      1.5,
      Number.NaN,
      2 ** 60,
      2n ** 64n,
      undefined,
      { a: undefined },
      new Map(),
      new Date(),
      () => 1,
      Symbol('x'),
      '\ud800',
      { '\udc00': 1 },
      circular,
      new Float64Array(2),
      JSON.parse('{"__proto__": 1}'),
    ]
    for (const value of bad) expect(() => encode(value as CborValue)).toThrow(TypeError)
  })

  it('bounds size and depth', () => {
    const deep = (levels: number): Uint8Array => new Uint8Array(levels + 1).fill(0x81, 0, levels)
    expect(decode(deep(16))).toBeDefined()
    expect(() => decode(deep(17))).toThrow('nested deeper than 16')
    expect(() => decode(deep(500_000))).toThrow(UserError)
    expect(() => decode(deep(4), { maxDepth: 3 })).toThrow(UserError)
    expect(() => decode(encode(new Uint8Array(100)), { maxBytes: 100 })).toThrow('102 bytes, at most 100')
  })

  it('copies byte strings, so that a value does not change with its message', () => {
    for (const message of [encode(Uint8Array.of(1, 2)), Buffer.from(encode(Uint8Array.of(1, 2)))]) {
      const value = decode(message) as Uint8Array
      message.fill(0)
      expect(value).toEqual(Uint8Array.of(1, 2))
      expect(value.constructor).toBe(Uint8Array)
    }
  })

  it('takes the text __proto__ where it is a value', () => {
    expect(decode(encode({ a: '__proto__', b: ['__proto__'] }))).toEqual({ a: '__proto__', b: ['__proto__'] })
  })
})
