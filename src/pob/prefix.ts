/** Address prefixes: one committee member per /24 (IPv4) or /48 (IPv6), the unit one operator usually holds. */
import { isIP } from 'node:net'

const IPV6_GROUPS = 8

/** The 16-bit groups of an IPv6 literal. */
function groupsOf(host: string): number[] {
  const withoutZone = host.split('%')[0] ?? ''
  const [head = '', tail] = withoutZone.split('::')
  const parse = (text: string) =>
    text === ''
      ? []
      : text.split(':').flatMap((part) => {
          if (!part.includes('.')) return [Number.parseInt(part, 16)]
          const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
          return [a * 256 + b, c * 256 + d]
        })
  const left = parse(head)
  const right = tail === undefined ? [] : parse(tail)
  const zeros = tail === undefined ? 0 : IPV6_GROUPS - left.length - right.length
  return [...left, ...Array.from({ length: zeros }, () => 0), ...right]
}

/** True for an IPv4 or IPv6 literal; host names are refused, since a name can move. */
export function isHostLiteral(host: string): boolean {
  return isIP(host) !== 0 && !host.includes('%')
}

/**
 * `a.b.c/24` or `x:y:z/48`; an IPv4-mapped IPv6 address has its IPv4 prefix.
 * @throws RangeError where the host is no literal.
 */
export function prefixOf(host: string): string {
  const family = isIP(host)
  if (family === 4) return `${host.split('.').slice(0, 3).join('.')}/24`
  if (family !== 6) throw new RangeError(`"${host}" is no IP address`)
  const groups = groupsOf(host)
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (mapped) {
    const [high = 0, low = 0] = groups.slice(6)
    return `${high >> 8}.${high & 255}.${low >> 8}/24`
  }
  return `${groups
    .slice(0, 3)
    .map((group) => group.toString(16))
    .join(':')}/48`
}

/** In the same /24 or /48; loopback, which no packet from outside carries, aside. */
export function isNeighbour(remote: string, own: string | undefined): boolean {
  if (own === undefined || !isHostLiteral(remote) || !isHostLiteral(own)) return false
  const prefix = prefixOf(remote)
  return prefix === prefixOf(own) && !prefix.startsWith('127.') && remote !== '::1'
}
