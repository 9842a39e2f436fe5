/**
 * The user-space bottleneck with plain `node:dgram`, for systems whose C library we do not call. Good to some
 * 100 Mbit/s. Each client of a port is given an upstream socket of its own, as a NAT would.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { DROPPED, LinkSchedule } from './link-schedule.js'
import {
  HEADERS_BYTES,
  MAX_CLIENTS,
  SOCKET_BUFFER_BYTES,
  type UserSpaceConfig,
  type UserSpacePort,
  type UserSpaceStats,
} from './user-space-bottleneck.js'

/** Timers are good to a millisecond; nearer departures are waited for by turning the event loop. */
const TIMER_MS = 2

interface Waiting {
  readonly due: number
  readonly send: () => void
}

/** Datagrams of one direction, in order of departure. */
class Lane {
  readonly schedule: LinkSchedule
  packets = 0
  bytes = 0
  readonly #queue = new Set<Waiting>()
  #isTurning = false

  constructor(schedule: LinkSchedule) {
    this.schedule = schedule
  }

  offer(message: Buffer, send: (message: Buffer) => void): void {
    const bytes = message.length + HEADERS_BYTES
    const due = this.schedule.departure(performance.now(), bytes)
    if (due === DROPPED) return
    this.#queue.add({
      due,
      send: () => {
        this.packets += 1
        this.bytes += bytes
        send(message)
      },
    })
    if (!this.#isTurning) this.#turn()
  }

  readonly #turn = (): void => {
    this.#isTurning = true
    for (const waiting of this.#queue) {
      const waitMs = waiting.due - performance.now()
      if (waitMs > TIMER_MS) {
        setTimeout(this.#turn, waitMs - TIMER_MS)
        return
      }
      if (waitMs > 0) {
        setImmediate(this.#turn)
        return
      }
      this.#queue.delete(waiting)
      waiting.send()
    }
    this.#isTurning = false
  }
}

interface Client {
  readonly upstream: Socket
  lastMs: number
}

function openSocket(address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', reject)
    socket.bind(port, address, () => {
      socket.removeListener('error', reject)
      // What cannot be sent is lost, as on any link.
      socket.on('error', () => undefined)
      try {
        socket.setRecvBufferSize(SOCKET_BUFFER_BYTES)
        socket.setSendBufferSize(SOCKET_BUFFER_BYTES)
      } catch {
        // Some systems refuse sizes above their limit instead of capping them; the default then stays.
      }
      resolve(socket)
    })
  })
}

/** One challenger's port. */
async function openPort(port: UserSpacePort, upstreamAddress: string, down: Lane, up: Lane): Promise<void> {
  const listener = await openSocket(port.listen.address, port.listen.port)
  const clients = new Map<string, Promise<Client>>()
  const connect = async (from: RemoteInfo): Promise<Client> => {
    const upstream = await openSocket(upstreamAddress, 0)
    upstream.on('message', (message) =>
      down.offer(message, (data) => listener.send(data, from.port, from.address)),
    )
    return { upstream, lastMs: performance.now() }
  }
  listener.on('message', async (message, from) => {
    const key = `${from.address}:${from.port}`
    const known = clients.get(key)
    const pending = known ?? connect(from)
    if (known === undefined) clients.set(key, pending)
    const client = await pending
    client.lastMs = performance.now()
    up.offer(message, (data) => client.upstream.send(data, port.target.port, port.target.address))
    if (clients.size > MAX_CLIENTS) await dropIdlest(clients)
  })
}

async function dropIdlest(clients: Map<string, Promise<Client>>): Promise<void> {
  const all = await Promise.all([...clients].map(async ([key, client]) => ({ key, client: await client })))
  const [idlest] = all.sort((a, b) => a.client.lastMs - b.client.lastMs)
  if (idlest === undefined || !clients.delete(idlest.key)) return
  idlest.client.upstream.close()
}

/** Opens all ports. @throws Error where one is taken */
export async function startDgramLink(config: UserSpaceConfig): Promise<() => UserSpaceStats> {
  const down = new Lane(new LinkSchedule(config.down))
  const up = new Lane(new LinkSchedule(config.up))
  for (const port of config.ports) await openPort(port, config.upstreamAddress, down, up)
  return () => ({
    rxBytes: down.bytes,
    rxPackets: down.packets,
    txBytes: up.bytes,
    txPackets: up.packets,
    dropped: down.schedule.dropped,
  })
}
