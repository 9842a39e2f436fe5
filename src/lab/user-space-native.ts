/**
 * The user-space bottleneck through the C library (Linux): no object per packet, sleeps of some 100 us. The
 * same behaviour as `user-space-dgram.ts`.
 */
import { DelayLine, FULL } from './delay-line.js'
import {
  AF_INET,
  becomeRealTime,
  bindSocket,
  check,
  close,
  connect,
  EADDRINUSE,
  errno,
  type Pinned,
  Poller,
  pinned,
  recvfrom,
  SO_RCVBUF,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCKADDR_IN_BYTES,
  SOL_SOCKET,
  send,
  sendto,
  setIntOption,
  sharpenTimers,
  socket,
  writeSockaddr,
} from './libc.js'
import { DROPPED, LinkSchedule } from './link-schedule.js'
import type { DataEndpoint } from './network.js'
import {
  HEADERS_BYTES,
  MAX_CLIENTS,
  SOCKET_BUFFER_BYTES,
  type UserSpaceConfig,
  type UserSpacePort,
  type UserSpaceStats,
} from './user-space-bottleneck.js'

/** 50 ms of buffer at 1 Gbit/s, several times over. */
const RING_BYTES = 32 * 2 ** 20
const RING_PACKETS = 2 ** 15
const MAX_DATAGRAM_BYTES = 65_536
/** Reads from one socket before the next has its turn. */
const BATCH = 64
const SLICE_MS = 20
/** While packets come or wait, sleep this long at a time instead of waking for each. */
const NAP_US = 100
/** Nothing came for so long: wait for input instead. */
const BUSY_MS = 2

/** A listening port and the clients seen on it, by address and port as one number. */
interface Port {
  readonly fd: number
  readonly target: DataEndpoint
  readonly clients: Map<number, Client>
}

interface Client {
  /** -1 once closed. */
  fd: number
  readonly port: Port
  readonly name: Pinned
  lastMs: number
}

function openSocket({ address, port }: DataEndpoint): number {
  const fd = check(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket')
  setIntOption(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES)
  setIntOption(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES)
  const name = pinned(SOCKADDR_IN_BYTES)
  writeSockaddr(name, 0, address, port)
  if (bindSocket(fd, name.address, SOCKADDR_IN_BYTES) === -1) {
    const reason = errno() === EADDRINUSE ? 'EADDRINUSE' : `errno ${errno()}`
    close(fd)
    throw new Error(`bind ${address}:${port}: ${reason}`)
  }
  return fd
}

class NativeLink {
  readonly #upstreamAddress: string
  readonly #ring = pinned(RING_BYTES)
  readonly #line = new DelayLine({ bytes: RING_BYTES, packets: RING_PACKETS })
  /** By record: whose packet it is, and whether it goes down. */
  readonly #owners: (Client | undefined)[] = new Array<Client | undefined>(RING_PACKETS)
  readonly #isDown = new Uint8Array(RING_PACKETS)
  readonly #down: LinkSchedule
  readonly #up: LinkSchedule
  readonly #ports: readonly Port[]
  readonly #from = pinned(SOCKADDR_IN_BYTES)
  readonly #fromLength = pinned(4)
  readonly #passed = { rxBytes: 0, rxPackets: 0, txBytes: 0, txPackets: 0 }
  #sources: readonly (Port | Client)[] = []
  #isStale = false
  #poller = new Poller([])
  #lastInputMs = 0

  constructor(config: UserSpaceConfig) {
    this.#upstreamAddress = config.upstreamAddress
    this.#down = new LinkSchedule(config.down)
    this.#up = new LinkSchedule(config.up)
    this.#ports = config.ports.map(({ listen, target }: UserSpacePort) => ({
      fd: openSocket(listen),
      target,
      clients: new Map<number, Client>(),
    }))
    this.#watch()
    sharpenTimers()
    becomeRealTime()
  }

  run(): void {
    const end = performance.now() + SLICE_MS
    for (;;) {
      if (this.#take()) this.#lastInputMs = performance.now()
      this.#give()
      const now = performance.now()
      if (now >= end) break
      const waitUs = (Math.min(this.#line.nextDue, end) - now) * 1000
      if (waitUs <= 0) continue
      if (now - this.#lastInputMs < BUSY_MS) this.#poller.sleep(Math.min(waitUs, NAP_US))
      else this.#poller.wait(waitUs)
    }
    setImmediate(() => this.run())
  }

  stats(): UserSpaceStats {
    return { ...this.#passed, dropped: this.#down.dropped }
  }

  /** Reads from all sockets; was there anything? */
  #take(): boolean {
    if (this.#poller.wait(0) <= 0) return false
    for (const [index, source] of this.#sources.entries()) {
      if (!this.#poller.isReady(index)) continue
      if ('clients' in source) this.#takeUp(source)
      else if (source.fd >= 0) this.#takeDown(source)
    }
    if (this.#isStale) this.#watch()
    return true
  }

  /** Clients have come or gone: all sockets are listed anew. */
  #watch(): void {
    this.#sources = this.#ports.flatMap((port) => [port, ...port.clients.values()])
    this.#poller = new Poller(this.#sources.map(({ fd }) => fd))
    this.#isStale = false
  }

  /** Who sent what was read last from this port; a new client is given its upstream socket. */
  #clientOf(port: Port): Client {
    const peerPort = this.#from.view.getUint16(2)
    const key = this.#from.view.getUint32(4) * 2 ** 16 + peerPort
    const known = port.clients.get(key)
    if (known !== undefined) {
      known.lastMs = performance.now()
      return known
    }
    const fd = openSocket({ address: this.#upstreamAddress, port: 0 })
    const target = pinned(SOCKADDR_IN_BYTES)
    writeSockaddr(target, 0, port.target.address, port.target.port)
    check(connect(fd, target.address, SOCKADDR_IN_BYTES), 'connect')
    const name = pinned(SOCKADDR_IN_BYTES)
    this.#from.buffer.copy(name.buffer, 0, 0, SOCKADDR_IN_BYTES)
    const client: Client = { fd, port, name, lastMs: performance.now() }
    if (port.clients.size >= MAX_CLIENTS) this.#dropIdlest(port)
    port.clients.set(key, client)
    this.#isStale = true
    return client
  }

  #dropIdlest(port: Port): void {
    const [idlest] = [...port.clients].sort(([, a], [, b]) => a.lastMs - b.lastMs)
    if (idlest === undefined) return
    const [key, client] = idlest
    port.clients.delete(key)
    close(client.fd)
    client.fd = -1
  }

  #takeUp(port: Port): void {
    for (let count = 0; count < BATCH; count++) {
      const offset = this.#line.reserve(MAX_DATAGRAM_BYTES)
      if (offset === FULL) return
      this.#fromLength.view.setUint32(0, SOCKADDR_IN_BYTES, true)
      const target = this.#ring.address + offset
      const from = this.#from.address
      const bytes = recvfrom(port.fd, target, MAX_DATAGRAM_BYTES, 0, from, this.#fromLength.address)
      if (bytes < 0) return
      this.#keep(this.#clientOf(port), offset, bytes, false)
    }
  }

  #takeDown(client: Client): void {
    for (let count = 0; count < BATCH; count++) {
      const offset = this.#line.reserve(MAX_DATAGRAM_BYTES)
      if (offset === FULL) return
      const bytes = recvfrom(client.fd, this.#ring.address + offset, MAX_DATAGRAM_BYTES, 0, 0, 0)
      if (bytes < 0) return
      this.#keep(client, offset, bytes, true)
    }
  }

  #keep(client: Client, offset: number, bytes: number, isDown: boolean): void {
    const schedule = isDown ? this.#down : this.#up
    const due = schedule.departure(performance.now(), bytes + HEADERS_BYTES)
    if (due === DROPPED) return
    const record = this.#line.commit(offset, bytes, due)
    this.#owners[record] = client
    this.#isDown[record] = isDown ? 1 : 0
  }

  #give(): void {
    while (this.#line.nextDue <= performance.now()) {
      const record = this.#line.first()
      const client = this.#owners[record]
      const bytes = this.#line.lengthOf(record)
      const data = this.#ring.address + this.#line.offsetOf(record)
      if (client !== undefined && client.fd >= 0) {
        if (this.#isDown[record] === 1) {
          sendto(client.port.fd, data, bytes, 0, client.name.address, SOCKADDR_IN_BYTES)
          this.#passed.rxPackets += 1
          this.#passed.rxBytes += bytes + HEADERS_BYTES
        } else {
          send(client.fd, data, bytes, 0)
          this.#passed.txPackets += 1
          this.#passed.txBytes += bytes + HEADERS_BYTES
        }
      }
      this.#line.release()
    }
  }
}

/** Opens all ports. @throws Error where one is taken */
export function startNativeLink(config: UserSpaceConfig): () => UserSpaceStats {
  const link = new NativeLink(config)
  setImmediate(() => link.run())
  return () => link.stats()
}
