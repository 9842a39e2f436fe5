import { describe, expect, it } from 'vitest'
import { isHostLiteral, isNeighbour, prefixOf } from '../../../src/pob/prefix.js'

describe('prefixOf', () => {
  it.each([
    ['192.0.2.1', '192.0.2/24'],
    ['192.0.2.255', '192.0.2/24'],
    ['2001:db8:1:2::3', '2001:db8:1/48'],
    ['2001:DB8:0001::', '2001:db8:1/48'],
    ['2001:db8::1', '2001:db8:0/48'],
    ['::1', '0:0:0/48'],
    ['::', '0:0:0/48'],
    ['fe80:0:0:0:0:0:0:1', 'fe80:0:0/48'],
    ['::ffff:192.0.2.7', '192.0.2/24'],
    ['::ffff:c000:0207', '192.0.2/24'],
    ['0:0:0:0:0:ffff:192.0.2.9', '192.0.2/24'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0/48'],
  ])('%s is in %s', (host, prefix) => {
    expect(prefixOf(host)).toBe(prefix)
  })

  it.each(['', 'example.org', '192.0.2', '192.0.2.256', '1.2.3.04', '2001:db8::1::', 'localhost'])(
    'refuses "%s"',
    (host) => {
      expect(isHostLiteral(host)).toBe(false)
      expect(() => prefixOf(host)).toThrow(RangeError)
    },
  )

  it('takes no scoped address for a host: it means something on one machine only', () => {
    expect(isHostLiteral('fe80::1%eth0')).toBe(false)
    expect(isHostLiteral('fe80::1')).toBe(true)
  })
})

describe('a neighbour, whose traffic may not cross the bottleneck', () => {
  it.each([
    ['192.0.2.7', '192.0.2.200', true],
    ['::ffff:192.0.2.7', '192.0.2.200', true],
    ['2001:db8:1::1', '2001:db8:1:ffff::9', true],
    ['192.0.3.7', '192.0.2.200', false],
    ['2001:db8:2::1', '2001:db8:1::1', false],
    ['192.0.2.7', undefined, false],
    ['no address', '192.0.2.200', false],
    // Loopback comes from nowhere else.
    ['127.0.0.1', '127.0.0.9', false],
    ['::1', '::1', false],
  ])('%s beside %s: %s', (remote, own, expected) => {
    expect(isNeighbour(remote, own)).toBe(expected)
  })
})
