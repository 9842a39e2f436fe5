import { describe, expect, it } from 'vitest'
import { configSchema, SELL_NON_COMMERCIAL } from '../../../../src/config/schema.js'
import { HeldOutputs } from '../../../../src/inference/provider/held-outputs.js'
import {
  isNonCommercial,
  priceList,
  requireOwable,
  requireSellable,
} from '../../../../src/inference/provider/price-list.js'
import { priceOf, unitOf, unitsOf } from '../../../../src/inference/units.js'

describe('what is sold', () => {
  it('has the prices of the configuration', () => {
    const list = priceList(['asr-small=2000 gwei', 'mms=0 wei'])
    expect(list.names).toEqual(['asr-small', 'mms'])
    expect(list.priceOf('asr-small')).toBe(2_000_000_000_000n)
    expect(list.isFree).toBe(false)
    expect(priceList(['mms=0 wei']).isFree).toBe(true)
    expect(() => list.priceOf('other')).toThrow('not for sale')
    expect(() => priceList(['a=1 wei', 'a=2 wei'])).toThrow('twice')
  })

  it('costs no more a unit than a client may owe', () => {
    const list = priceList(['mms=0 wei', 'asr-small=1 gwei'])
    expect(() => requireOwable(list, 1_000_000_000n)).not.toThrow()
    expect(() => requireOwable(list, 999_999_999n)).toThrow(
      'asr-small could never be sold, since a unit of it costs more than a client may owe: have 0.000000000999999 ETH, need',
    )
  })

  it.each([
    ['cc-by-nc-4.0', true],
    ['CC BY-NC-SA 4.0', true],
    ['Non-Commercial use only', true],
    ['apache-2.0', false],
    ['cc-by-sa-3.0', false],
    ['since-2020', false],
  ])('%s is for non-commercial use: %s', (licence, expected) => {
    expect(isNonCommercial(licence)).toBe(expected)
  })

  it('is not work of a model for non-commercial use, unless the operator says so in words', () => {
    const mms = { id: 'mms', licence: 'cc-by-nc-4.0' }
    expect(() => requireSellable(mms, 1n, undefined)).toThrow('may not be sold')
    expect(() => requireSellable(mms, 0n, undefined)).not.toThrow()
    expect(() => requireSellable(mms, 1n, SELL_NON_COMMERCIAL)).not.toThrow()
    const parse = (nonCommercial: string) =>
      configSchema.safeParse({ inference: { provider: { nonCommercial } } })
    expect(parse('yes').success).toBe(false)
    expect(parse(SELL_NON_COMMERCIAL).success).toBe(true)
  })

  it('is not work on eight bits, which nobody could audit; given away it may be', () => {
    const base = { id: 'base-int8', licence: 'apache-2.0', precision: 'int8' as const }
    expect(() => requireSellable(base, 1n, SELL_NON_COMMERCIAL)).toThrow('no auditor could check')
    expect(() => requireSellable(base, 0n, undefined)).not.toThrow()
  })
})

describe('units', () => {
  const sound = (bytes: number) =>
    ({ kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(bytes) }) as const
  const text = (written: string) => ({ kind: 'text', text: written }) as const

  it('are whole, at least one, and counted from the input', () => {
    expect(unitsOf('audio-second', sound(2))).toBe(1)
    expect(unitsOf('audio-second', sound(16_000))).toBe(1)
    expect(unitsOf('audio-second', sound(16_002))).toBe(2)
    expect(unitsOf('1000-characters', text('a'.repeat(1000)))).toBe(1)
    // Characters, not UTF-16 units.
    expect(unitsOf('1000-characters', text('😀'.repeat(1000)))).toBe(1)
    expect(unitsOf('1000-characters', text('a'.repeat(1001)))).toBe(2)
    expect(unitsOf('request', text('a'.repeat(5000)))).toBe(1)
    expect(unitOf('embed', 'text')).toBe('1000-characters')
    expect(unitOf('embed', 'sound')).toBe('audio-second')
    expect(priceOf(3, 2n ** 60n)).toBe(3n * 2n ** 60n)
  })
})

describe('outputs that wait', () => {
  const [channel, a, b] = [1, 2, 3].map((fill) => new Uint8Array(32).fill(fill)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]

  it('stay for their time, and the oldest make room', () => {
    let now = 0
    const held = new HeldOutputs({ mostBytes: 10, mostMs: 100 }, () => now)
    held.put(channel, a, new Uint8Array(6))
    expect(held.get(channel, a)).toHaveLength(6)
    held.put(channel, b, new Uint8Array(6))
    expect(held.get(channel, a)).toBeUndefined()
    expect(held.get(channel, b)).toHaveLength(6)
    now = 101
    expect(held.get(channel, b)).toBeUndefined()
    held.put(channel, a, new Uint8Array(10))
    held.remove(channel, a)
    expect(held.get(channel, a)).toBeUndefined()
  })
})
