/** One UDP socket on Linux: its options, and the wait for a datagram, a wake-up or a moment. */
import type { Region } from '../../crypto/fast/index.js'
import { UserError } from '../../errors.js'
import { MAX_DATAGRAM_BYTES } from '../../pob/datagram.js'
import { isMappedV4, parseIp } from '../address.js'
import { nowMicros } from '../clock.js'
import type { DatagramSink, LoopMeter, Remote, Transport } from '../transport.js'
import type { BackendInfo, Endpoint } from '../types.js'
import * as c from './libc.js'
import { Priority } from './priority.js'
import { nativeRemote, Receiver } from './receiver.js'
import { Sender } from './sender.js'
import { type NativeRemote, readSockaddr, SOCKADDR_IN6_BYTES, writeSockaddr } from './socket-address.js'

/**
 * Receive buffer: the default of 208 KiB loses 13 % of a 1 Gbit/s train. 32 MiB hold 50 ms at 2.5 Gbit/s with the
 * kernel's overhead, which a worker may well be descheduled on a busy box. Beyond rmem_max only root gets it.
 */
const PROVER_RECEIVE_BUFFER = 32 << 20
const MEMBER_RECEIVE_BUFFER = 2 << 20
const SEND_BUFFER = 8 << 20
/** Sleeps end within a microsecond of their time instead of 50. */
const TIMER_SLACK_NANOS = 1
const POLLFD_BYTES = 8
/** A wake-up costs about 10 us. */
const GRANULARITY_MICROS = 100

const EADDRINUSE = 98
const EADDRNOTAVAIL = 99
const EACCES = 13

export interface NativeOptions {
  readonly host: string
  readonly port: number
  /** A prover receives trains: large buffers, merged datagrams. */
  readonly receivesTrains: boolean
}

export class NativeTransport implements Transport, LoopMeter {
  readonly info: BackendInfo
  readonly endpoint: Endpoint
  readonly granularityMicros = GRANULARITY_MICROS
  /** eventfd(2): the main thread writes to it to end {@link wait}. The main thread closes it. */
  readonly wakeFd: number
  readonly #libc: c.Libc
  readonly #fd: number
  readonly #family: number
  readonly #receiver: Receiver
  readonly #sender: Sender
  readonly #poll: Region
  readonly #pollWords: Uint32Array
  readonly #timeout: Region
  readonly #timeoutWords: Uint32Array
  readonly #counter: Region
  readonly #priority: Priority
  #waited = 0

  /** @throws UserError where the address cannot be bound; Error where a call is missing. */
  constructor(options: NativeOptions) {
    const libc = c.loadLibc()
    this.#libc = libc
    this.#family = isMappedV4(parseIp(options.host)) ? c.AF_INET : c.AF_INET6
    this.#fd = libc.socket(this.#family, c.SOCK_DGRAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0)
    if (this.#fd < 0) throw c.callError(libc, 'socket')
    try {
      this.#priority = new Priority(libc)
      if (this.#family === c.AF_INET6) this.#set(c.IPPROTO_IPV6, c.IPV6_V6ONLY, 0)
      const size = options.receivesTrains ? PROVER_RECEIVE_BUFFER : MEMBER_RECEIVE_BUFFER
      if (!this.#set(c.SOL_SOCKET, c.SO_RCVBUFFORCE, size)) this.#set(c.SOL_SOCKET, c.SO_RCVBUF, size)
      if (!this.#set(c.SOL_SOCKET, c.SO_SNDBUFFORCE, SEND_BUFFER))
        this.#set(c.SOL_SOCKET, c.SO_SNDBUF, SEND_BUFFER)
      if (!this.#set(c.SOL_SOCKET, c.SO_TIMESTAMPNS, 1)) throw c.callError(libc, 'SO_TIMESTAMPNS')
      this.#set(c.SOL_SOCKET, c.SO_RXQ_OVFL, 1)
      const gro = options.receivesTrains && this.#set(c.SOL_UDP, c.UDP_GRO, 1)
      const gso = !options.receivesTrains && this.#set(c.SOL_UDP, c.UDP_SEGMENT, MAX_DATAGRAM_BYTES)
      this.endpoint = this.#bind(options)
      this.#receiver = new Receiver(libc, this.#fd, {
        batch: gro ? 32 : 64,
        messageBytes: gro ? 65536 : 2048,
        family: this.#family,
      })
      this.#sender = new Sender(libc, this.#fd, gso)
      const offload = gro ? ', UDP_GRO' : gso ? ', UDP_SEGMENT' : ''
      this.info = {
        name: 'native',
        reason: `Linux ${process.arch}: recvmmsg, sendmmsg and kernel timestamps through koffi${offload}, ${this.#priority.granted}`,
        timestamps: 'kernel',
      }
      this.wakeFd = libc.eventfd(0, c.EFD_NONBLOCK | c.EFD_CLOEXEC)
      if (this.wakeFd < 0) throw c.callError(libc, 'eventfd')
    } catch (error) {
      libc.close(this.#fd)
      throw error
    }
    libc.prctl(c.PR_SET_TIMERSLACK, TIMER_SLACK_NANOS, 0, 0, 0)
    this.#poll = libc.allocate(2 * POLLFD_BYTES)
    this.#pollWords = new Uint32Array(this.#poll.bytes.buffer)
    this.#timeout = libc.allocate(16)
    this.#timeoutWords = new Uint32Array(this.#timeout.bytes.buffer)
    this.#counter = libc.allocate(8)
  }

  get overflow(): number {
    return this.#receiver.overflow
  }

  waitedMicros(): number {
    return this.#waited
  }

  allocate(length: number): Region {
    return this.#libc.allocate(length)
  }

  resolve(endpoint: Endpoint): Remote {
    return nativeRemote(this.#libc, this.#family, endpoint)
  }

  sendTrain(remote: Remote, region: Region, first: number, count: number, segments: number): number {
    return this.#sender.sendTrain(remote as NativeRemote, region, first, count, segments)
  }

  queue(remote: Remote, bytes: Uint8Array): void {
    this.#sender.queue(remote as NativeRemote, bytes)
  }

  flush(): void {
    this.#sender.flush()
  }

  /** See Receiver.receive. */
  receive(sink: DatagramSink): boolean {
    return this.#receiver.receive(sink)
  }

  /**
   * Sleeps until a wake-up, `micros` have passed or (where `datagrams`) something arrived.
   * Returns whether the main thread woke it.
   */
  wait(micros: number, datagrams: boolean): boolean {
    const words = this.#pollWords
    words[0] = this.wakeFd
    words[1] = c.POLLIN
    words[2] = this.#fd
    words[3] = c.POLLIN
    let timeout = 0
    if (micros !== Number.POSITIVE_INFINITY) {
      const clamped = Math.max(0, micros)
      const seconds = Math.floor(clamped / 1e6)
      this.#timeoutWords[0] = seconds
      this.#timeoutWords[2] = Math.floor((clamped - seconds * 1e6) * 1e3)
      timeout = this.#timeout.address
    }
    const before = nowMicros()
    const ready = this.#libc.ppoll(this.#poll.address, datagrams ? 2 : 1, timeout, 0)
    this.#waited += nowMicros() - before
    // revents is the upper half of the second word, POLLIN its first bit.
    if (ready <= 0 || (words[1] ?? 0) >>> 16 === 0) return false
    this.#libc.read(this.wakeFd, this.#counter.address, 8)
    return true
  }

  setUrgent(urgent: boolean): void {
    this.#priority.setUrgent(urgent)
  }

  close(): void {
    this.#libc.close(this.#fd)
  }

  #set(level: number, option: number, value: number): boolean {
    const region = this.#libc.allocate(4)
    new Uint32Array(region.bytes.buffer)[0] = value
    return this.#libc.setsockopt(this.#fd, level, option, region.address, 4) === 0
  }

  #bind(options: NativeOptions): Endpoint {
    const sockaddr = this.#libc.allocate(SOCKADDR_IN6_BYTES)
    const length = writeSockaddr(sockaddr.bytes, this.#family, options)
    if (this.#libc.bind(this.#fd, sockaddr.address, length) !== 0)
      throw bindError(options, this.#libc.errno())
    const size = this.#libc.allocate(4)
    new Uint32Array(size.bytes.buffer)[0] = SOCKADDR_IN6_BYTES
    if (this.#libc.getsockname(this.#fd, sockaddr.address, size.address) !== 0)
      throw c.callError(this.#libc, 'getsockname')
    return { host: options.host, port: readSockaddr(sockaddr.bytes, 0).port }
  }
}

function bindError(options: NativeOptions, errno: number): UserError {
  const where = `UDP ${options.host} port ${options.port}`
  if (errno === EADDRINUSE)
    return new UserError(`${where} is in use`, { code: 'BUSY', remedy: 'choose another port' })
  if (errno === EADDRNOTAVAIL)
    return new UserError(`${where}: no such address on this machine`, {
      code: 'BAD_CONFIG',
      remedy: 'bind 0.0.0.0 or an address of this machine',
    })
  if (errno === EACCES)
    return new UserError(`${where}: not permitted`, { code: 'DENIED', remedy: 'choose a port above 1023' })
  return new UserError(`${where} cannot be bound (errno ${errno})`, { code: 'UNAVAILABLE' })
}
