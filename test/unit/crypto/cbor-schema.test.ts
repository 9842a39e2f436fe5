import { describe, expect, expectTypeOf, it } from 'vitest'
import { type CborValue, encode } from '../../../src/crypto/cbor.js'
import {
  array,
  bigInteger,
  boolean,
  bytes,
  decodeAs,
  encodeAs,
  enumeration,
  type Infer,
  integer,
  nothing,
  object,
  optional,
  text,
  union,
} from '../../../src/crypto/cbor-schema.js'
import { UserError } from '../../../src/errors.js'

const plan = object({
  version: enumeration(1),
  profile: enumeration('quick', 'standard'),
  teams: array(object({ rateKbps: integer({ min: 1, max: 10_000_000 }), seed: bytes({ length: 4 }) }), {
    min: 1,
    max: 5,
  }),
  note: optional(text({ max: 10 })),
  amountWei: bigInteger(),
  early: boolean,
})
const good = {
  version: 1,
  profile: 'quick',
  teams: [{ rateKbps: 5, seed: new Uint8Array(4) }],
  amountWei: 7,
  early: true,
} as const

const problem = (value: unknown): string => {
  try {
    plan.read(value, 'plan')
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    expect(error.code).toBe('BAD_MESSAGE')
    return error.line
  }
  return 'none'
}

describe('CBOR schemas', () => {
  it('infers the types it reads', () => {
    type Plan = Infer<typeof plan>
    expectTypeOf<Plan['version']>().toEqualTypeOf<1>()
    expectTypeOf<Plan['profile']>().toEqualTypeOf<'quick' | 'standard'>()
    expectTypeOf<Plan['teams'][number]['seed']>().toEqualTypeOf<Uint8Array>()
    expectTypeOf<Plan['note']>().toEqualTypeOf<string | undefined>()
    expectTypeOf<Plan['amountWei']>().toEqualTypeOf<bigint>()
    expectTypeOf<Plan>().toExtend<CborValue>()
  })

  it('round-trips through bytes, leaving absent fields absent', () => {
    const value = plan.read(good, 'plan')
    expect(Object.hasOwn(value, 'note')).toBe(false)
    expect(decodeAs(plan, encodeAs(plan, value, 'plan'), 'plan')).toEqual({ ...good, amountWei: 7n })
    expect(decodeAs(plan, encode({ ...good, note: 'hello' }), 'plan').note).toBe('hello')
  })

  it('names the path, the expectation and what came instead, in one line', () => {
    const team = good.teams[0]
    const cases: readonly (readonly [unknown, string])[] = [
      [
        { ...good, teams: [team, team, team, { ...team, rateKbps: 'x' }] },
        'plan.teams[3].rateKbps: expected an integer 1..10000000, got "x"',
      ],
      [
        { ...good, teams: [{ ...team, rateKbps: 0 }] },
        'plan.teams[0].rateKbps: expected an integer 1..10000000, got 0',
      ],
      [
        { ...good, teams: [{ ...team, rateKbps: 2.5 }] },
        'plan.teams[0].rateKbps: expected an integer 1..10000000, got 2.5',
      ],
      [
        { ...good, teams: [{ ...team, seed: new Uint8Array(5) }] },
        'plan.teams[0].seed: expected 4 bytes, got 5 bytes',
      ],
      [{ ...good, teams: [] }, 'plan.teams: expected an array of 1..5, got an array of 0'],
      [{ ...good, teams: { 0: team } }, 'plan.teams: expected an array of 1..5, got a map'],
      [{ ...good, note: 'far too long' }, 'plan.note: expected text of 0..10 characters, got "far too long"'],
      [{ ...good, note: null }, 'plan.note: expected text of 0..10 characters, got null'],
      [{ ...good, profile: 'fast' }, 'plan.profile: expected one of "quick", "standard", got "fast"'],
      [{ ...good, profile: 'a\nb' }, 'plan.profile: expected one of "quick", "standard", got "a\\nb"'],
      [{ ...good, early: 1 }, 'plan.early: expected true or false, got 1'],
      [{ ...good, amountWei: -1 }, 'plan.amountWei: expected an integer 0..18446744073709551615, got -1'],
      [{ ...good, extra: 1 }, 'plan: unknown key "extra"'],
      [{ version: 1 }, 'plan.profile: expected one of "quick", "standard", got nothing'],
      [null, 'plan: expected a map, got null'],
      [[], 'plan: expected a map, got an array of 0'],
      [new Uint8Array(3), 'plan: expected a map, got 3 bytes'],
    ]
    for (const [value, line] of cases) expect(problem(value)).toBe(line)
  })

  it('does not take inherited properties for fields', () => {
    const inherited = Object.create({ ...good }) as unknown
    expect(problem(inherited)).toContain('got nothing')
    expect(problem(JSON.parse('{"__proto__": {"version": 1}}'))).toBe('plan: unknown key "__proto__"')
  })

  it('reads a union by its tag', () => {
    const event = union('kind', {
      a: object({ kind: enumeration('a'), count: integer({ max: 9 }) }),
      b: object({ kind: enumeration('b') }),
    })
    const value = event.read({ kind: 'a', count: 3 }, 'event')
    if (value.kind === 'a') expectTypeOf(value.count).toEqualTypeOf<number>()
    expect(value).toEqual({ kind: 'a', count: 3 })
    expect(() => event.read({ kind: 'toString' }, 'event')).toThrow(
      'event.kind: expected one of "a", "b", got "toString"',
    )
    expect(() => event.read({ kind: 'b', count: 1 }, 'event')).toThrow('event: unknown key "count"')
    expect(() => event.read(null, 'event')).toThrow(UserError)
  })

  it('reads null for an empty body', () => {
    expect(decodeAs(nothing, encode(null), 'body')).toBeNull()
    expect(() => decodeAs(nothing, encode({}), 'body')).toThrow(UserError)
  })

  it('refuses to encode what a reader would refuse', () => {
    expect(() => encodeAs(integer({ max: 3 }), 4, 'count')).toThrow('count: expected an integer 0..3, got 4')
  })
})
