import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { originOf, placeFor } from '../../../src/roles/challenger/places.js'

const unused = (...origins: string[]) => origins.map((from, at) => ({ from, at, isUsed: false }))

describe('places of a challenger that are all taken', () => {
  it('are counted by the prefix of who asks', () => {
    expect(originOf('/ip4/203.0.113.7/tcp/4001')).toBe('203.0.113/24')
    expect(originOf('/ip6/2001:db8:1:2::3/udp/1/quic-v1')).toBe('2001:db8:1/48')
    expect(originOf('/ip4/198.51.100.9/tcp/1/p2p/16Uiu2/p2p-circuit')).toBe('198.51.100/24')
    expect([originOf(undefined), originOf('/dns4/example.org/tcp/1'), originOf('/ip4/no/tcp/1')]).toEqual(
      Array.from({ length: 3 }, () => 'elsewhere'),
    )
  })

  it('go from whoever holds most, its latest first, to who holds less', () => {
    expect(placeFor('new', unused('a', 'b', 'a', 'b', 'b', 'c'))?.at).toBe(4)
    expect(placeFor('c', unused('a', 'b', 'a', 'b', 'b', 'c'))?.at).toBe(4)
    expect(placeFor('a', unused('a', 'b', 'a', 'b', 'b', 'c'))).toBeUndefined()
    // Taking it would only turn the tables.
    expect(placeFor('new', unused('a', 'b', 'c'))).toBeUndefined()
  })

  it('stay with challenges in which something is sent', () => {
    const places = unused('a', 'a', 'a', 'b', 'b').map((each) => ({ ...each, isUsed: each.from === 'a' }))
    expect(placeFor('new', places)?.at).toBe(4)
    expect(placeFor('new', places.slice(0, 4))).toBeUndefined()
  })

  it('end up shared, whoever floods and in whatever order', () => {
    const origins = fc.array(fc.constantFrom('flood', 'flood', 'flood', 'flood', 'a', 'b', 'c'), {
      maxLength: 200,
    })
    fc.assert(
      fc.property(origins, fc.integer({ min: 4, max: 32 }), (asking, most) => {
        let places: ReturnType<typeof unused> = []
        const wanted = new Map<string, number>()
        asking.forEach((from, at) => {
          wanted.set(from, (wanted.get(from) ?? 0) + 1)
          const given = places.length < most ? undefined : placeFor(from, places)
          if (places.length >= most && given === undefined) return
          places = [...places.filter((each) => each !== given), { from, at, isUsed: false }]
        })
        const held = (from: string): number => places.filter((each) => each.from === from).length
        const share = Math.floor(most / 4)
        for (const [from, count] of wanted)
          expect(held(from)).toBeGreaterThanOrEqual(Math.min(count, share) - 1)
      }),
    )
  })
})
