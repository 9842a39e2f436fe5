/**
 * UDP as an attacker with root on its own machine sends it: any source address, any port, any bytes. IPv4 only; the
 * kernel fills in the header's checksum and identification, and UDP's checksum may be left out (RFC 768).
 */
import {
  AF_INET,
  check,
  close,
  type Pinned,
  pinned,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCKADDR_IN_BYTES,
  sendto,
  socket,
  writeSockaddr,
} from '../libc.js'

const SOCK_RAW = 3
/** The header is ours (raw(7)). */
const IPPROTO_RAW = 255
const PROTOCOL_UDP = 17
export const IP_HEADER_BYTES = 20
export const UDP_HEADER_BYTES = 8
const MAX_PACKET_BYTES = 2048
const TIME_TO_LIVE = 64
/** Type of service of what is injected: whoever listens on the way knows the attacker's packets from others' by it. */
export const INJECTED_MARK = 0x04

export interface UdpPacket {
  readonly from: { readonly host: string; readonly port: number }
  readonly to: { readonly host: string; readonly port: number }
  readonly payload: Uint8Array
}

/** Writes the two headers and the payload; returns the packet's length. */
export function writeUdpPacket({ buffer, view }: Pinned, { from, to, payload }: UdpPacket): number {
  const length = IP_HEADER_BYTES + UDP_HEADER_BYTES + payload.length
  buffer.fill(0, 0, IP_HEADER_BYTES + UDP_HEADER_BYTES)
  view.setUint8(0, 0x45)
  view.setUint8(1, INJECTED_MARK)
  view.setUint16(2, length)
  view.setUint8(8, TIME_TO_LIVE)
  view.setUint8(9, PROTOCOL_UDP)
  for (const [at, host] of [
    [12, from.host],
    [16, to.host],
  ] as const)
    for (const [index, part] of host.split('.').entries()) buffer[at + index] = Number(part)
  view.setUint16(IP_HEADER_BYTES, from.port)
  view.setUint16(IP_HEADER_BYTES + 2, to.port)
  view.setUint16(IP_HEADER_BYTES + 4, UDP_HEADER_BYTES + payload.length)
  buffer.set(payload, IP_HEADER_BYTES + UDP_HEADER_BYTES)
  return length
}

export class RawSocket {
  readonly #fd = check(
    socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW),
    'opening a raw socket',
  )
  readonly #packet = pinned(MAX_PACKET_BYTES)
  readonly #name = pinned(SOCKADDR_IN_BYTES)

  /** Bytes of layer 3 that left; 0 where the kernel refused. @throws RangeError for one that is too long */
  send(packet: UdpPacket): number {
    if (packet.payload.length > MAX_PACKET_BYTES - IP_HEADER_BYTES - UDP_HEADER_BYTES)
      throw new RangeError(`a payload of ${packet.payload.length} bytes`)
    const length = writeUdpPacket(this.#packet, packet)
    writeSockaddr(this.#name, 0, packet.to.host, 0)
    return Math.max(
      0,
      sendto(this.#fd, this.#packet.address, length, 0, this.#name.address, SOCKADDR_IN_BYTES),
    )
  }

  close(): void {
    close(this.#fd)
  }
}
