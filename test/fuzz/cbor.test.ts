import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CborValue, decode, encode } from '../../src/crypto/cbor.js'
import { UserError } from '../../src/errors.js'

/** The suite's share of runs; FUZZ_RUNS=100000 for a night. */
const numRuns = Number(process.env.FUZZ_RUNS ?? 2000)

const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(
      fc.string({ maxLength: 30 }).filter((key) => key !== '__proto__'),
      tie('value'),
      {
        maxKeys: 5,
        noNullPrototype: true,
      },
    ),
  ),
}))

/** bigints that fit a number come back as numbers. */
const normal = (each: CborValue): CborValue => {
  if (typeof each === 'bigint')
    return BigInt.asIntN(64, each) === each && Number.isSafeInteger(Number(each)) ? Number(each) : each
  if (Array.isArray(each)) return each.map(normal)
  if (typeof each === 'object' && each !== null && !(each instanceof Uint8Array))
    return Object.fromEntries(Object.entries(each).map(([key, item]) => [key, normal(item)]))
  return each
}

/** Decodes, or says that the message was refused; any other error fails the test. */
const attempt = (message: Uint8Array): CborValue | 'refused' => {
  try {
    return decode(message)
  } catch (error) {
    if (error instanceof UserError && error.code === 'BAD_MESSAGE' && !error.line.includes('\n'))
      return 'refused'
    throw error
  }
}

describe('CBOR fuzzing', () => {
  it('round-trips every value it can encode', () => {
    fc.assert(
      fc.property(value, (each) => {
        expect(decode(encode(each))).toEqual(normal(each))
      }),
      { numRuns },
    )
  })

  it('survives random bytes: one line, or a value that encodes to the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (message) => {
        const result = attempt(message)
        if (result !== 'refused') expect(encode(result)).toEqual(message)
      }),
      { numRuns },
    )
  })

  it('survives valid messages with a byte changed, cut or doubled', () => {
    const edit = fc.record({
      kind: fc.constantFrom('change', 'cut', 'double'),
      at: fc.nat(400),
      byte: fc.integer({ min: 0, max: 255 }),
    })
    fc.assert(
      fc.property(value, fc.array(edit, { minLength: 1, maxLength: 3 }), (each, edits) => {
        let message = encode(each)
        for (const { kind, at, byte } of edits) {
          const i = at % Math.max(1, message.length)
          if (kind === 'change') message[i] = byte
          else if (kind === 'cut')
            message = Uint8Array.from([...message.subarray(0, i), ...message.subarray(i + 1)])
          else message = Uint8Array.from([...message.subarray(0, i), byte, ...message.subarray(i)])
        }
        const result = attempt(message)
        if (result !== 'refused') expect(encode(result)).toEqual(message)
      }),
      { numRuns },
    )
  })
})
