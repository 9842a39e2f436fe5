/** struct sockaddr_in and sockaddr_in6 (little-endian family, big-endian port), and remotes that carry one. */
import type { Region } from '../../crypto/fast/index.js'
import { formatIp, isMappedV4, parseIp } from '../address.js'
import type { Remote } from '../transport.js'
import type { Endpoint } from '../types.js'
import { AF_INET, AF_INET6 } from './libc.js'

export const SOCKADDR_IN_BYTES = 16
export const SOCKADDR_IN6_BYTES = 28
const V4_ADDRESS_AT = 4
/** After flowinfo, which is no part of an address. */
const V6_ADDRESS_AT = 8

export interface NativeRemote extends Remote {
  readonly sockaddr: Region
  readonly sockaddrBytes: number
}

/** Writes the address for a socket of `family`; on an IPv6 socket IPv4 peers are mapped. Returns its length. */
export function writeSockaddr(out: Uint8Array, family: number, endpoint: Endpoint): number {
  const ip = parseIp(endpoint.host)
  const length = family === AF_INET6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES
  out.fill(0, 0, length)
  out[0] = family
  out[2] = endpoint.port >>> 8
  out[3] = endpoint.port
  if (family === AF_INET6) out.set(ip, V6_ADDRESS_AT)
  else if (isMappedV4(ip)) out.set(ip.subarray(12), V4_ADDRESS_AT)
  else throw new Error(`${endpoint.host} cannot be reached from an IPv4 socket`)
  return length
}

export function readSockaddr(bytes: Uint8Array, offset: number): Endpoint {
  const port = ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0)
  const host =
    bytes[offset] === AF_INET6
      ? formatIp(bytes.subarray(offset + V6_ADDRESS_AT, offset + V6_ADDRESS_AT + 16))
      : bytes.subarray(offset + V4_ADDRESS_AT, offset + V4_ADDRESS_AT + 4).join('.')
  return { host, port }
}

/** Same family, port and address. */
export function sameSockaddr(bytes: Uint8Array, offset: number, remote: NativeRemote): boolean {
  const other = remote.sockaddr.bytes
  const six = other[0] === AF_INET6
  if (bytes[offset] !== other[0] || (!six && other[0] !== AF_INET)) return false
  if (bytes[offset + 2] !== other[2] || bytes[offset + 3] !== other[3]) return false
  const from = six ? V6_ADDRESS_AT : V4_ADDRESS_AT
  const to = six ? V6_ADDRESS_AT + 16 : V4_ADDRESS_AT + 4
  for (let i = from; i < to; i++) if (bytes[offset + i] !== other[i]) return false
  return true
}
