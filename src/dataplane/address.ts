/** IP literals as 16 bytes (IPv4 mapped, RFC 4291 section 2.5.5.2), so that equal addresses have equal bytes. */
import { isIPv4, isIPv6 } from 'node:net'
import { UserError } from '../errors.js'

export const IP_BYTES = 16
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)

/** @throws UserError BAD_ARGUMENT where the text is no IP literal; names are resolved before. */
export function parseIp(text: string): Uint8Array {
  const bytes = new Uint8Array(IP_BYTES)
  if (isIPv4(text)) {
    bytes.set(MAPPED_PREFIX)
    bytes.set(text.split('.').map(Number), 12)
    return bytes
  }
  if (!isIPv6(text) || text.includes('%'))
    throw new UserError(`"${text.slice(0, 64)}" is no IP address`, {
      code: 'BAD_ARGUMENT',
      remedy: 'write an IPv4 or IPv6 literal',
    })
  // A dotted tail counts as two groups.
  const dotted = text.match(/^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/)
  const plain =
    dotted === null
      ? text
      : `${dotted[1]}${(Number(dotted[2]) * 256 + Number(dotted[3])).toString(16)}:${(Number(dotted[4]) * 256 + Number(dotted[5])).toString(16)}`
  const [head = '', tail] = plain.split('::')
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const front = groups(head)
  const back = tail === undefined ? [] : groups(tail)
  const all = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back]
  all.forEach((group, i) => {
    bytes[2 * i] = group >>> 8
    bytes[2 * i + 1] = group
  })
  return bytes
}

export function isMappedV4(ip: Uint8Array): boolean {
  return MAPPED_PREFIX.every((byte, i) => ip[i] === byte)
}

/** IPv4 dotted for mapped addresses; otherwise eight groups without compression (a literal every parser takes). */
export function formatIp(ip: Uint8Array): string {
  if (isMappedV4(ip)) return ip.subarray(12).join('.')
  const groups: string[] = []
  for (let i = 0; i < IP_BYTES; i += 2) groups.push((((ip[i] ?? 0) << 8) | (ip[i + 1] ?? 0)).toString(16))
  return groups.join(':')
}
