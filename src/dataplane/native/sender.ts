/**
 * sendmmsg: trains as super-packets that the kernel cuts (UDP_SEGMENT, generic segmentation offload), and small
 * datagrams in batches. Source: sendmmsg(2), udp(7), https://lwn.net/Articles/752184/
 */
import type { Region } from '../../crypto/fast/index.js'
import { MAX_DATAGRAM_BYTES } from '../../pob/datagram.js'
import { EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE, ENOBUFS, type Libc, MSG_DONTWAIT } from './libc.js'
import { IOVEC_BYTES, MMSGHDR_BYTES } from './receiver.js'
import type { NativeRemote } from './socket-address.js'

/** Messages a call. */
const BATCH = 64
/** Every type but data is shorter. */
const SMALL_BYTES = 256
/** The kernel takes 65,507 bytes: 46 datagrams of 1408. More than 44 gains nothing. */
const MAX_SEGMENTS = 44

export class Sender {
  readonly #libc: Libc
  readonly #fd: number
  readonly #headers: Region
  readonly #headerView: DataView
  readonly #vectors: Region
  readonly #vectorView: DataView
  readonly #small: Region
  #queued = 0
  /** 1 where the kernel or a device has no segmentation offload. */
  #maxSegments: number

  constructor(libc: Libc, fd: number, segmentation: boolean) {
    this.#libc = libc
    this.#fd = fd
    this.#maxSegments = segmentation ? MAX_SEGMENTS : 1
    this.#headers = libc.allocate(BATCH * MMSGHDR_BYTES)
    this.#vectors = libc.allocate(BATCH * IOVEC_BYTES)
    this.#small = libc.allocate(BATCH * SMALL_BYTES)
    this.#headerView = new DataView(this.#headers.bytes.buffer)
    this.#vectorView = new DataView(this.#vectors.bytes.buffer)
    for (let i = 0; i < BATCH; i++) {
      const at = i * MMSGHDR_BYTES
      this.#headerView.setBigUint64(at + 16, BigInt(this.#vectors.address + i * IOVEC_BYTES), true)
      this.#headerView.setBigUint64(at + 24, 1n, true)
    }
  }

  /** See Transport.sendTrain. */
  sendTrain(remote: NativeRemote, region: Region, first: number, count: number, segments: number): number {
    let done = 0
    while (done < count) {
      const size = Math.min(segments, this.#maxSegments)
      let messages = 0
      let planned = done
      while (messages < BATCH && planned < count) {
        const packets = Math.min(size, count - planned)
        const address = region.address + (first + planned) * MAX_DATAGRAM_BYTES
        this.#message(messages++, remote, address, packets * MAX_DATAGRAM_BYTES)
        planned += packets
      }
      const sent = this.#send(0, messages)
      if (sent > 0) {
        done = Math.min(count, done + sent * size)
        continue
      }
      const errno = this.#libc.errno()
      if (errno === EINTR) continue
      if (errno === EAGAIN || errno === ENOBUFS) return done
      if (size > 1 && (errno === EIO || errno === EINVAL || errno === EMSGSIZE)) {
        // The route's device cannot segment, or its MTU is too small: one datagram a message from here on.
        this.#maxSegments = 1
        continue
      }
      // Unreachable, forbidden: lost like any datagram; the next one may pass.
      done = Math.min(count, done + size)
    }
    return done
  }

  queue(remote: NativeRemote, bytes: Uint8Array): void {
    if (this.#queued === BATCH) this.flush()
    const i = this.#queued++
    this.#small.bytes.set(bytes, i * SMALL_BYTES)
    this.#message(i, remote, this.#small.address + i * SMALL_BYTES, bytes.length)
  }

  flush(): void {
    let done = 0
    while (done < this.#queued) {
      const sent = this.#send(done, this.#queued - done)
      if (sent > 0) done += sent
      else if (this.#libc.errno() !== EINTR) done++
    }
    this.#queued = 0
  }

  #send(from: number, count: number): number {
    return this.#libc.sendmmsg(this.#fd, this.#headers.address + from * MMSGHDR_BYTES, count, MSG_DONTWAIT)
  }

  #message(index: number, remote: NativeRemote, address: number, length: number): void {
    const at = index * MMSGHDR_BYTES
    writePointer(this.#headerView, at, remote.sockaddr.address)
    this.#headerView.setUint32(at + 8, remote.sockaddrBytes, true)
    writePointer(this.#vectorView, index * IOVEC_BYTES, address)
    writePointer(this.#vectorView, index * IOVEC_BYTES + 8, length)
  }
}

/** A u64 below 2^53 without a BigInt. */
function writePointer(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true)
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
}
