/**
 * Writes packets back to the TUN, putting datagrams of one flow that leave together into one GSO super-packet.
 * Each packet that finds the token bucket empty makes the kernel set a timer again, which costs more than all
 * the rest on a virtual machine (17 us a write against 4.5 us); a super-packet sets it once. Never more than
 * `superPacketBytes`, half of the burst, so that the bottleneck still sees single packets' timing.
 */
import { type Pinned, pinned, write, writev } from './libc.js'
import { GSO_NONE, GSO_TYPE_OFFSET, VNET_HEADER_BYTES, writeUdpGsoHeader } from './tun.js'

/** The kernel's own limit on segments is 128; more than this many gain nothing. */
const MAX_SEGMENTS = 64
/** Flows collected at a time; teams are rarely larger. */
const GROUPS = 8
const IOVEC_BYTES = 16
const IP_HEADER_BYTES = 20
const UDP_HEADER_BYTES = 8
const HEADERS_BYTES = IP_HEADER_BYTES + UDP_HEADER_BYTES
const ETHERNET_BYTES = 14
const PROTOCOL_UDP = 17
/** Version 4, five words of header. */
const PLAIN_IPV4 = 0x45
/** More fragments, and the offset. */
const FRAGMENT_BITS = 0x3fff

/** Datagrams of one flow and one size, by the offsets of their virtio headers in the ring. */
interface Group {
  count: number
  payload: number
  readonly offsets: Float64Array
}

export class RelayWriter {
  readonly #fd: number
  readonly #ring: Pinned
  readonly #superPacketBytes: number
  readonly #iov = pinned(MAX_SEGMENTS * IOVEC_BYTES)
  readonly #groups: readonly Group[]
  #nextGroup = 0
  /** Packets the kernel refused. */
  refused = 0

  /** @param options `superPacketBytes`: 0 writes every packet by itself */
  constructor(options: { readonly fd: number; readonly ring: Pinned; readonly superPacketBytes: number }) {
    this.#fd = options.fd
    this.#ring = options.ring
    this.#superPacketBytes = options.superPacketBytes
    this.#groups = Array.from({ length: GROUPS }, () => ({
      count: 0,
      payload: 0,
      offsets: new Float64Array(MAX_SEGMENTS),
    }))
  }

  /** Writes the packet now or with the next {@link flush}; its memory must stay until then. */
  put(offset: number, bytes: number): void {
    const payload = this.#mergeablePayload(offset, bytes)
    const limit = Math.min(
      MAX_SEGMENTS,
      Math.floor(this.#superPacketBytes / (payload + HEADERS_BYTES + ETHERNET_BYTES)),
    )
    if (payload === 0 || limit < 2) {
      this.flush()
      this.#write(offset, bytes)
      return
    }
    let group = this.#groups.find((open) => open.count > 0 && this.#isSameFlow(this.#first(open), offset))
    if (group !== undefined && group.payload !== payload) this.#writeGroup(group)
    if (group === undefined) {
      group = this.#groups[this.#nextGroup]
      this.#nextGroup = (this.#nextGroup + 1) % GROUPS
      if (group === undefined) throw new Error('no group to collect in')
      this.#writeGroup(group)
    }
    group.payload = payload
    group.offsets[group.count] = offset
    group.count += 1
    if (group.count >= limit) this.#writeGroup(group)
  }

  /** Writes all that waits. */
  flush(): void {
    for (const group of this.#groups) this.#writeGroup(group)
  }

  /** UDP payload of a datagram that may be merged, otherwise 0. */
  #mergeablePayload(offset: number, bytes: number): number {
    const { buffer } = this.#ring
    const ip = offset + VNET_HEADER_BYTES
    const total = bytes - VNET_HEADER_BYTES
    const isPlainDatagram =
      this.#superPacketBytes > 0 &&
      buffer[offset + GSO_TYPE_OFFSET] === GSO_NONE &&
      buffer[ip] === PLAIN_IPV4 &&
      buffer[ip + 9] === PROTOCOL_UDP &&
      buffer.readUInt16BE(ip + 2) === total &&
      (buffer.readUInt16BE(ip + 6) & FRAGMENT_BITS) === 0 &&
      buffer.readUInt16BE(ip + IP_HEADER_BYTES + 4) === total - IP_HEADER_BYTES
    return isPlainDatagram ? total - HEADERS_BYTES : 0
  }

  /** Same addresses and ports, service class and time to live. */
  #isSameFlow(a: number, b: number): boolean {
    const { buffer } = this.#ring
    const x = a + VNET_HEADER_BYTES
    const y = b + VNET_HEADER_BYTES
    return (
      buffer.readUInt32LE(x + 12) === buffer.readUInt32LE(y + 12) &&
      buffer.readUInt32LE(x + 16) === buffer.readUInt32LE(y + 16) &&
      buffer.readUInt32LE(x + 20) === buffer.readUInt32LE(y + 20) &&
      buffer[x + 1] === buffer[y + 1] &&
      buffer[x + 8] === buffer[y + 8]
    )
  }

  #first(group: Group): number {
    return group.offsets[0] ?? 0
  }

  #writeGroup(group: Group): void {
    const { count, payload } = group
    if (count === 0) return
    const first = this.#first(group)
    group.count = 0
    if (count === 1) {
      this.#write(first, VNET_HEADER_BYTES + HEADERS_BYTES + payload)
      return
    }
    writeUdpGsoHeader(this.#ring, first, count, payload)
    const headers = VNET_HEADER_BYTES + HEADERS_BYTES
    this.#setIov(0, first, headers + payload)
    for (let i = 1; i < count; i++) this.#setIov(i, (group.offsets[i] ?? 0) + headers, payload)
    if (writev(this.#fd, this.#iov.address, count) < 0) this.refused += count
  }

  #write(offset: number, bytes: number): void {
    if (write(this.#fd, this.#ring.address + offset, bytes) < 0) this.refused += 1
  }

  #setIov(index: number, offset: number, bytes: number): void {
    const address = this.#ring.address + offset
    const at = index * IOVEC_BYTES
    this.#iov.view.setUint32(at, address % 2 ** 32, true)
    this.#iov.view.setUint32(at + 4, Math.floor(address / 2 ** 32), true)
    this.#iov.view.setUint32(at + 8, bytes, true)
  }
}
