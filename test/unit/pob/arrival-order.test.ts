import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeOrder, encodeOrder, OrderEncoder, orderLength } from '../../../src/pob/arrival-order.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))
const expand = (bytes: Uint8Array, packetCount: number): number[] =>
  decodeOrder(bytes, packetCount).flatMap(({ first, length }) => Array.from({ length }, (_, i) => first + i))

describe('orders of protocol section 7', () => {
  test.each([
    ['nothing', [], ''],
    ['one packet', [0], '0000'],
    ['in order', [0, 1, 2, 3], '0003'],
    ['one lost', [0, 1, 3, 4], '00010201'],
    ['two swapped', [1, 0, 2], '020003000200'],
    ['a late one', [0, 2, 3, 1], '0000' + '0201' + '0500'],
  ])('%s', (_, sequences, text) => {
    expect(hex(encodeOrder(sequences))).toBe(text)
    expect(expand(unhex(text), 5)).toEqual(sequences)
  })

  test('long runs', () => {
    const encoder = new OrderEncoder()
    for (let i = 0; i < 300; i++) encoder.append(i)
    // zigzag 0, then 299 = 0b10_0101011.
    expect(hex(encoder.encoded())).toBe('00ab02')
    encoder.append(300)
    expect(hex(encoder.encoded())).toBe('00ac02')
    encoder.append(2 ** 32 - 1)
    expect(orderLength(decodeOrder(encoder.encoded(), 2 ** 32))).toBe(302)
  })

  test('any arrivals survive', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(5000), { maxLength: 400 }), (sequences) => {
        expect(expand(encodeOrder(sequences), 5001)).toEqual(sequences)
      }),
      { numRuns: 500 },
    )
  })

  test.each([
    ['ends inside a number', '80', 10],
    ['ends inside a number', '00', 10],
    ['has a number that is not minimal', '800000', 10],
    ['has a number that is not minimal', '008000', 10],
    ['has a number of more than 35 bits', 'ffffffffff0100', 10],
    ['has a run that continues the one before', '00000000', 10],
    ['has a sequence outside', '000a', 10],
    ['has a sequence outside', '1400', 10],
    ['has a sequence outside', '0100', 10],
    ['has more than', '0004' + '0904', 5],
    ['has sequence 0 twice', '0001' + '0300', 10],
  ])('refused: %s (%s)', (what, text, packetCount) => {
    expect(() => decodeOrder(unhex(text), packetCount)).toThrow(
      expect.objectContaining({
        code: 'BAD_MESSAGE',
        message: expect.stringContaining(what),
      }),
    )
  })

  test('one encoding an order: what decodes is what would be encoded', () => {
    let decoded = 0
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        let sequences: number[]
        try {
          sequences = expand(bytes, 64)
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAD_MESSAGE' })
          return
        }
        decoded++
        expect(encodeOrder(sequences)).toEqual(bytes)
      }),
      { numRuns: 5000 },
    )
    expect(decoded).toBeGreaterThan(20)
  })
})
