/**
 * recvmmsg with kernel timestamps (SO_TIMESTAMPNS), segment sizes (UDP_GRO) and the drop counter (SO_RXQ_OVFL).
 *
 * Layouts (LP64): mmsghdr 64 bytes: name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48,
 * msg_len 56. cmsghdr: len u64 0, level 8, type 12, data 16, 8-byte aligned.
 * Source: recvmmsg(2), socket(7), udp(7).
 */
import type { Region } from '../../crypto/fast/index.js'
import { nowMicros } from '../clock.js'
import type { DatagramSink, Remote, Source } from '../transport.js'
import {
  CLOCK_REALTIME,
  EAGAIN,
  type Libc,
  MSG_DONTWAIT,
  SO_RXQ_OVFL,
  SO_TIMESTAMPNS,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO,
} from './libc.js'
import {
  type NativeRemote,
  readSockaddr,
  SOCKADDR_IN6_BYTES,
  sameSockaddr,
  writeSockaddr,
} from './socket-address.js'

export const MMSGHDR_BYTES = 64
export const IOVEC_BYTES = 16
const NAME_STRIDE = 32
/** Room for timestamp (32), segment size (24) and drop counter (24). */
const CONTROL_STRIDE = 128
/** A stamp further back than this means that the wall clock stepped in between: the time of reading is taken. */
const MAX_STAMP_AGE_MICROS = 5_000_000
/** Two readings of the monotonic clock around one of the wall clock, at most this far apart, pair them well. */
const GOOD_PAIR_MICROS = 20

/**
 * Bytes a call reads at most, about: what it copies is hashed right after, from the second-level cache where it still
 * lies there (512 KiB on many machines; with 2 MiB a call a core took in 5 % less).
 */
const MAX_CALL_BYTES = 192 << 10

export interface ReceiverOptions {
  /** Messages a call, at most. */
  readonly batch: number
  /** Bytes a message: 65536 where the kernel may hand over merged datagrams. */
  readonly messageBytes: number
  readonly family: number
}

export class Receiver implements Source {
  /** Datagrams dropped by the kernel since the socket was opened. */
  overflow = 0
  readonly #libc: Libc
  readonly #fd: number
  readonly #options: ReceiverOptions
  readonly #headers: Region
  readonly #headerWords: Uint32Array
  readonly #vectors: Region
  readonly #names: Region
  readonly #control: Region
  readonly #controlWords: Uint32Array
  readonly #data: Region
  readonly #timespec: Region
  readonly #timespecWords: Uint32Array
  /** Seconds taken off every wall clock reading, so that microseconds keep their fractions in a double. */
  #baseSeconds = 0
  /** The socket was empty at this moment or later: what is read now arrived after it, whatever its stamp says. */
  #emptyMicros: number
  #current = 0
  /** Messages that the next call asks for. */
  #asked: number

  constructor(libc: Libc, fd: number, options: ReceiverOptions) {
    this.#libc = libc
    this.#fd = fd
    this.#options = options
    const { batch, messageBytes } = options
    this.#asked = batch
    this.#headers = libc.allocate(batch * MMSGHDR_BYTES)
    this.#vectors = libc.allocate(batch * IOVEC_BYTES)
    this.#names = libc.allocate(batch * NAME_STRIDE)
    this.#control = libc.allocate(batch * CONTROL_STRIDE)
    this.#data = libc.allocate(batch * messageBytes)
    // Touched now: a page fault in a slot may wait behind another thread's.
    this.#data.bytes.fill(0)
    this.#timespec = libc.allocate(16)
    this.#headerWords = new Uint32Array(this.#headers.bytes.buffer)
    this.#controlWords = new Uint32Array(this.#control.bytes.buffer)
    this.#timespecWords = new Uint32Array(this.#timespec.bytes.buffer)
    const headers = new DataView(this.#headers.bytes.buffer)
    const vectors = new DataView(this.#vectors.bytes.buffer)
    for (let i = 0; i < batch; i++) {
      vectors.setBigUint64(i * IOVEC_BYTES, BigInt(this.#data.address + i * messageBytes), true)
      vectors.setBigUint64(i * IOVEC_BYTES + 8, BigInt(messageBytes), true)
      const at = i * MMSGHDR_BYTES
      headers.setBigUint64(at, BigInt(this.#names.address + i * NAME_STRIDE), true)
      headers.setBigUint64(at + 16, BigInt(this.#vectors.address + i * IOVEC_BYTES), true)
      headers.setBigUint64(at + 24, 1n, true)
      headers.setBigUint64(at + 32, BigInt(this.#control.address + i * CONTROL_STRIDE), true)
    }
    this.#baseSeconds = Math.floor(Date.now() / 1000)
    this.#emptyMicros = nowMicros()
  }

  /** Reads what is there, without waiting, and hands it on one datagram at a time. True where the socket is empty. */
  receive(sink: DatagramSink): boolean {
    const { batch, messageBytes } = this.#options
    const asked = this.#asked
    const words = this.#headerWords
    // The kernel writes lengths into the headers: they are reset before every call.
    for (let i = 0; i < asked; i++) {
      const at = i * (MMSGHDR_BYTES / 4)
      words[at + 2] = SOCKADDR_IN6_BYTES
      words[at + 10] = CONTROL_STRIDE
      words[at + 12] = 0
    }
    const before = nowMicros()
    const count = this.#libc.recvmmsg(this.#fd, this.#headers.address, asked, MSG_DONTWAIT, 0)
    if (count <= 0) {
      if (count === 0 || this.#libc.errno() === EAGAIN) this.#emptyMicros = before
      return true
    }
    const { monotonic, realtime } = this.#readClocks()
    let longest = 1
    for (let i = 0; i < count; i++) {
      const at = i * (MMSGHDR_BYTES / 4)
      const length = words[at + 14] ?? 0
      this.#current = i
      if (length > longest) longest = length
      this.#readControl(i, words[at + 10] ?? 0)
      let arrival = monotonic
      if (this.#stamp !== 0) {
        const age = realtime - this.#stamp
        if (age >= 0 && age < MAX_STAMP_AGE_MICROS) arrival = Math.max(monotonic - age, this.#emptyMicros)
      }
      const start = i * messageBytes
      const segment = this.#segment > 0 ? this.#segment : length
      for (let offset = 0; offset < length; offset += segment)
        sink.onDatagram(this.#data, start + offset, Math.min(segment, length - offset), arrival, this)
    }
    this.#asked = Math.min(batch, Math.ceil(MAX_CALL_BYTES / longest))
    if (count === asked) return false
    this.#emptyMicros = before
    return true
  }

  matches(remote: Remote): boolean {
    return sameSockaddr(this.#names.bytes, this.#current * NAME_STRIDE, remote as NativeRemote)
  }

  toRemote(): Remote {
    return nativeRemote(
      this.#libc,
      this.#options.family,
      readSockaddr(this.#names.bytes, this.#current * NAME_STRIDE),
    )
  }

  /** Of the message read last: wall clock microseconds past the base, 0 for none. */
  #stamp = 0
  /** Of the message read last: bytes a merged segment, 0 where it is a single datagram. */
  #segment = 0

  #readControl(index: number, length: number): void {
    const words = this.#controlWords
    const base = (index * CONTROL_STRIDE) / 4
    this.#stamp = 0
    this.#segment = 0
    let at = 0
    while (at + 16 <= length) {
      const size = words[base + at / 4] ?? 0
      if (size < 16) return
      const level = words[base + at / 4 + 2]
      const type = words[base + at / 4 + 3]
      const data = base + at / 4 + 4
      if (level === SOL_SOCKET && type === SO_TIMESTAMPNS) this.#stamp = this.#micros(words, data)
      else if (level === SOL_UDP && type === UDP_GRO) this.#segment = words[data] ?? 0
      else if (level === SOL_SOCKET && type === SO_RXQ_OVFL) this.overflow = words[data] ?? 0
      at += (size + 7) & ~7
    }
  }

  /** A timespec at a word index. */
  #micros(words: Uint32Array, at: number): number {
    const seconds = (words[at] ?? 0) + (words[at + 1] ?? 0) * 2 ** 32
    return (seconds - this.#baseSeconds) * 1e6 + (words[at + 2] ?? 0) / 1e3
  }

  #pair = { monotonic: 0, realtime: 0 }

  /** Both clocks at one moment: the wall clock may step, so stamps are converted by their age. */
  #readClocks(): { readonly monotonic: number; readonly realtime: number } {
    let best = Number.POSITIVE_INFINITY
    for (let i = 0; i < 3 && best > GOOD_PAIR_MICROS; i++) {
      const before = nowMicros()
      this.#libc.clock_gettime(CLOCK_REALTIME, this.#timespec.address)
      const after = nowMicros()
      if (after - before >= best) continue
      best = after - before
      this.#pair.monotonic = (before + after) / 2
      this.#pair.realtime = this.#micros(this.#timespecWords, 0)
    }
    return this.#pair
  }
}

export function nativeRemote(
  libc: Libc,
  family: number,
  endpoint: { readonly host: string; readonly port: number },
): NativeRemote {
  const sockaddr = libc.allocate(SOCKADDR_IN6_BYTES)
  const sockaddrBytes = writeSockaddr(sockaddr.bytes, family, endpoint)
  return { endpoint, sockaddr, sockaddrBytes }
}
