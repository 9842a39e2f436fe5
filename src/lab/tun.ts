/**
 * A TUN interface with virtio headers: super-packets (GSO) of TCP and UDP pass in one piece, so that a relay
 * moves tens of kilobytes with two system calls. Sources: Linux Documentation/networking/tuntap.rst,
 * include/uapi/linux/if_tun.h and virtio_net.h.
 */
import { check, close, ioctl, O_CLOEXEC, O_NONBLOCK, O_RDWR, open, type Pinned, pinned } from './libc.js'

const TUNSETIFF = 0x400454ca
const TUNSETOFFLOAD = 0x400454d0
const IFF_TUN = 0x0001
const IFF_NO_PI = 0x1000
const IFF_VNET_HDR = 0x4000
const TUN_F_CSUM = 0x01
const TUN_F_TSO4 = 0x02
const TUN_F_TSO6 = 0x04
/** From Linux 6.2 on; both must be asked for together. */
const TUN_F_USO4 = 0x20
const TUN_F_USO6 = 0x40
const IFNAMSIZ = 16
const IFREQ_BYTES = 40

/** struct virtio_net_hdr before each packet: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset. */
export const VNET_HEADER_BYTES = 10
export const GSO_TYPE_OFFSET = 1
const GSO_SIZE_OFFSET = 4
const CSUM_START_OFFSET = 6
export const GSO_NONE = 0
const GSO_UDP_L4 = 5
const HDR_LEN_OFFSET = 2
const CSUM_OFFSET_OFFSET = 8
const FLAG_NEEDS_CSUM = 1
const IP_HEADER_BYTES = 20
const PROTOCOL_UDP = 17
/** Where a UDP header has its checksum. */
const UDP_CHECKSUM_OFFSET = 6
const UDP_HEADER_BYTES = 8
/** Without options beyond timestamps; only lengths in rules depend on it. */
const TCP_HEADER_BYTES = 32
/** Largest read: the header and the largest super-packet. */
export const MAX_TUN_READ_BYTES = VNET_HEADER_BYTES + 65_535 + 1

/** Makes the interface, down and without an address; it goes when the descriptor is closed. */
export function openTun(device: string): number {
  const fd = check(open('/dev/net/tun', O_RDWR | O_NONBLOCK | O_CLOEXEC), 'open /dev/net/tun')
  const request = pinned(IFREQ_BYTES)
  request.buffer.write(device.slice(0, IFNAMSIZ - 1), 'latin1')
  request.view.setInt16(IFNAMSIZ, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, true)
  if (ioctl(fd, TUNSETIFF, request.address) === -1) {
    close(fd)
    check(-1, `making the interface ${device}`)
  }
  return fd
}

/** Lets super-packets through, or has the kernel cut them. Returns whether UDP ones pass whole. */
export function setOffload(fd: number, isWanted: boolean): boolean {
  const tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6
  if (!isWanted) {
    check(ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM), 'TUNSETOFFLOAD')
    return false
  }
  if (ioctl(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) !== -1) return true
  check(ioctl(fd, TUNSETOFFLOAD, tcp), 'TUNSETOFFLOAD')
  return false
}

/** Layer-3 length of one segment of the super-packet whose header is at `offset`; 0 for a plain packet. */
export function segmentBytesAt(memory: DataView, offset: number): number {
  const type = memory.getUint8(offset + GSO_TYPE_OFFSET)
  if (type === GSO_NONE) return 0
  const transport = type === GSO_UDP_L4 ? UDP_HEADER_BYTES : TCP_HEADER_BYTES
  return (
    memory.getUint16(offset + CSUM_START_OFFSET, true) +
    transport +
    memory.getUint16(offset + GSO_SIZE_OFFSET, true)
  )
}

/** Ones' complement sum of 16-bit words, folded (RFC 1071). */
function fold(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000)
  return folded
}

/**
 * Turns the datagram at `offset` (virtio header, 20 B of IPv4, UDP) into the head of a super-packet of `count`
 * datagrams of `payload` bytes, the checksum left to the kernel (CHECKSUM_PARTIAL: the pseudo header's sum).
 */
export function writeUdpGsoHeader(memory: Pinned, offset: number, count: number, payload: number): void {
  const { view } = memory
  view.setUint8(offset, FLAG_NEEDS_CSUM)
  view.setUint8(offset + GSO_TYPE_OFFSET, GSO_UDP_L4)
  view.setUint16(offset + HDR_LEN_OFFSET, IP_HEADER_BYTES + UDP_HEADER_BYTES, true)
  view.setUint16(offset + GSO_SIZE_OFFSET, payload, true)
  view.setUint16(offset + CSUM_START_OFFSET, IP_HEADER_BYTES, true)
  view.setUint16(offset + CSUM_OFFSET_OFFSET, UDP_CHECKSUM_OFFSET, true)
  const ip = offset + VNET_HEADER_BYTES
  const udp = ip + IP_HEADER_BYTES
  const udpBytes = UDP_HEADER_BYTES + count * payload
  view.setUint16(ip + 2, IP_HEADER_BYTES + udpBytes)
  view.setUint16(ip + 10, 0)
  let sum = 0
  for (let i = 0; i < IP_HEADER_BYTES; i += 2) sum += view.getUint16(ip + i)
  view.setUint16(ip + 10, ~fold(sum) & 0xffff)
  let pseudo = PROTOCOL_UDP + udpBytes
  for (let i = 12; i < IP_HEADER_BYTES; i += 2) pseudo += view.getUint16(ip + i)
  view.setUint16(udp + 4, udpBytes)
  view.setUint16(udp + UDP_CHECKSUM_OFFSET, fold(pseudo))
}
