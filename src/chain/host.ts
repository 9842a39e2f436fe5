/** Hosts as the registry keeps them: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
import { isIP } from 'node:net'
import { type Hex, toHex } from 'viem'
import { UserError } from '../errors.js'

const V4_MAPPED = 0xffffn
const GROUPS = 8

/** @throws UserError BAD_ARGUMENT where the text is no IPv4 or IPv6 literal */
export function hostToBytes16(host: string): Hex {
  return toHex(hostValue(host), { size: 16 })
}

function hostValue(host: string): bigint {
  const family = host.includes('%') ? 0 : isIP(host)
  if (family === 4) return (V4_MAPPED << 32n) | v4Value(host)
  if (family === 6) return v6Value(host)
  throw new UserError(`"${host.slice(0, 64)}" is no IP address`, {
    code: 'BAD_ARGUMENT',
    remedy: 'write an IPv4 or IPv6 address; names can move',
    exitStatus: 2,
  })
}

const v4Value = (host: string): bigint =>
  host.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n)

function v6Value(host: string): bigint {
  const [head = '', tail] = host.split('::')
  const groups = (text: string): bigint[] =>
    text === ''
      ? []
      : text.split(':').flatMap((part) => {
          if (!part.includes('.')) return [BigInt(`0x${part}`)]
          const value = v4Value(part)
          return [value >> 16n, value & 0xffffn]
        })
  const [left, right] = [groups(head), tail === undefined ? [] : groups(tail)]
  const zeros = Array.from({ length: GROUPS - left.length - right.length }, () => 0n)
  return [...left, ...zeros, ...right].reduce((value, group) => (value << 16n) | group, 0n)
}

/** `203.0.113.7` or `2001:db8::7` (RFC 5952, without the shortening of zeros beyond `::` of the longest run). */
export function hostFromBytes16(bytes: Hex): string {
  const value = BigInt(bytes)
  if (value >> 32n === V4_MAPPED)
    return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.')
  const groups = Array.from({ length: GROUPS }, (_, i) =>
    ((value >> BigInt(16 * (GROUPS - 1 - i))) & 0xffffn).toString(16),
  )
  const runs = [...groups.join(':').matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([run]) => run)
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '')
  return longest === '' ? groups.join(':') : groups.join(':').replace(longest, '::').replace(/:{3,}/, '::')
}

/** The /24 or /48 under the family's number, as Prefixes.sol computes it. */
export function seatPrefix(bytes: Hex): bigint {
  const value = BigInt(bytes)
  if (value >> 32n === V4_MAPPED) return (4n << 48n) | ((value >> 8n) & 0xffffffn)
  return (6n << 48n) | (value >> 80n)
}
