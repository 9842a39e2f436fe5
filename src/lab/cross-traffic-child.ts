/**
 * Both ends of the cross traffic, each in a process of its own: a paced sender, and a sink that never reads.
 * The kernel counts what the sink's full buffer drops, so that counting costs no processor time.
 */
import { readFile } from 'node:fs/promises'
import { serveCalls } from './child-calls.js'
import type { CrossSendConfig, CrossSent } from './cross-traffic.js'
import {
  AF_INET,
  bindSocket,
  check,
  connect,
  Poller,
  pinned,
  SO_RCVBUF,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCKADDR_IN_BYTES,
  SOL_SOCKET,
  SOL_UDP,
  send,
  setIntOption,
  sharpenTimers,
  socket,
  UDP_SEGMENT,
  writeSockaddr,
} from './libc.js'

/** UDP payload of a cross packet: as large as a data packet. */
const PAYLOAD_BYTES = 1408
/** Layer-3 bits of one. */
const PACKET_BITS = (PAYLOAD_BYTES + 28) * 8
/** How often the sender wakes: at 300 Mbit/s it then sends 13 packets at a time. */
const TICK_US = 500
/** No GSO call takes more: 64 KB hold 45 packets. */
const MAX_SEGMENTS = 40
/** A sender that was held up makes up for no more than this. */
const MAX_CATCH_UP_US = 5000
const SLICE_US = 20_000
const SEND_BUFFER_BYTES = 4 * 2 ** 20

let bitsPerUs = 0
let fd = -1
let startUs = 0
let scheduled = 0
let segments = 1
const sent = { packets: 0, refused: 0 }
const payload = pinned(PAYLOAD_BYTES * MAX_SEGMENTS)
const poller = new Poller([])

function nowUs(): number {
  return performance.now() * 1000
}

function openSocket(): number {
  return check(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket')
}

/** Sends what is due by now. */
function sendDue(): void {
  const now = nowUs()
  const due = Math.floor(((now - startUs) * bitsPerUs) / PACKET_BITS)
  const catchUp = Math.ceil((MAX_CATCH_UP_US * bitsPerUs) / PACKET_BITS)
  if (due - scheduled > catchUp) scheduled = due - catchUp
  while (scheduled < due) {
    const packets = Math.min(segments, due - scheduled)
    scheduled += packets
    if (send(fd, payload.address, packets * PAYLOAD_BYTES, 0) < 0) sent.refused += packets
    else sent.packets += packets
  }
}

function run(): void {
  const end = nowUs() + SLICE_US
  while (bitsPerUs > 0 && nowUs() < end) {
    sendDue()
    poller.sleep(Math.max(TICK_US, PACKET_BITS / bitsPerUs))
  }
  if (bitsPerUs > 0) setImmediate(run)
}

serveCalls({
  send: ({ address, port, rateMbps, superPacketBytes }: CrossSendConfig) => {
    const isRunning = bitsPerUs > 0
    if (fd === -1) {
      fd = openSocket()
      sharpenTimers()
      setIntOption(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES)
      setIntOption(fd, SOL_UDP, UDP_SEGMENT, PAYLOAD_BYTES)
      const name = pinned(SOCKADDR_IN_BYTES)
      writeSockaddr(name, 0, address, port)
      check(connect(fd, name.address, SOCKADDR_IN_BYTES), 'connect')
    }
    segments = Math.min(MAX_SEGMENTS, Math.max(1, Math.floor(superPacketBytes / PAYLOAD_BYTES)))
    // 1 Mbit/s is one bit per microsecond.
    bitsPerUs = rateMbps
    startUs = nowUs()
    scheduled = 0
    if (!isRunning) setImmediate(run)
  },
  sent: (): CrossSent => ({ ...sent, bytes: sent.packets * (PAYLOAD_BYTES + 28) }),
  sink: ({ address, port }: { readonly address: string; readonly port: number }) => {
    fd = openSocket()
    setIntOption(fd, SOL_SOCKET, SO_RCVBUF, 1)
    const name = pinned(SOCKADDR_IN_BYTES)
    writeSockaddr(name, 0, address, port)
    check(bindSocket(fd, name.address, SOCKADDR_IN_BYTES), 'bind')
  },
  /** Packets that reached the sink on this port, less the few that lie in its buffer. */
  arrived: async (port: number): Promise<number> => {
    const table = await readFile('/proc/self/net/udp', 'latin1')
    const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
    const row = table.split('\n').find((line) => line.trim().split(/\s+/)[1]?.endsWith(suffix))
    return Number(row?.trim().split(/\s+/).at(-1) ?? 0)
  },
})
