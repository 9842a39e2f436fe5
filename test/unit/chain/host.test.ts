import { describe, expect, it } from 'vitest'
import { hostFromBytes16, hostToBytes16, seatPrefix } from '../../../src/chain/host.js'
import { prefixOf } from '../../../src/pob/prefix.js'

const HOSTS = [
  ['203.0.113.7', '0x00000000000000000000ffffcb007107', '203.0.113.7'],
  ['::ffff:203.0.113.7', '0x00000000000000000000ffffcb007107', '203.0.113.7'],
  ['2001:db8::7', '0x20010db8000000000000000000000007', '2001:db8::7'],
  ['2001:db8:0:1::', '0x20010db8000000010000000000000000', '2001:db8:0:1::'],
  ['::1', '0x00000000000000000000000000000001', '::1'],
  ['::', '0x00000000000000000000000000000000', '::'],
  ['1:2:3:4:5:6:7:8', '0x00010002000300040005000600070008', '1:2:3:4:5:6:7:8'],
  ['1:0:0:4:0:0:0:8', '0x00010000000000040000000000000008', '1:0:0:4::8'],
] as const

describe('hosts in the registry', () => {
  it('become 16 bytes and text again', () => {
    for (const [text, bytes, back] of HOSTS) {
      expect(hostToBytes16(text)).toBe(bytes)
      expect(hostFromBytes16(bytes)).toBe(back)
      expect(hostToBytes16(back)).toBe(bytes)
    }
    for (const text of ['example.org', '1.2.3', 'fe80::1%eth0', ''])
      expect(() => hostToBytes16(text)).toThrow(/no IP/)
  })

  it('share a prefix here exactly where they do in the protocol', () => {
    const hosts = [
      ...HOSTS.map(([text]) => text),
      '203.0.113.250',
      '203.0.114.7',
      '2001:db8:0:9::1',
      '2001:db8:1::',
    ]
    for (const a of hosts)
      for (const b of hosts)
        expect(seatPrefix(hostToBytes16(a)) === seatPrefix(hostToBytes16(b)), `${a} ${b}`).toBe(
          prefixOf(a) === prefixOf(b),
        )
  })
})
