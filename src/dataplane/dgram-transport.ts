/**
 * The portable twin of native/transport.ts: node:dgram on the worker's event loop. Arrival times are taken when Node
 * hands a datagram over, so they are late by whatever held the loop up: results say `user_timestamps`.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { fastCrypto, type Region } from '../crypto/fast/index.js'
import { UserError } from '../errors.js'
import { MAX_DATAGRAM_BYTES } from '../pob/datagram.js'
import { formatIp, isMappedV4, parseIp } from './address.js'
import type { LoopMeter, Remote, Source, Transport } from './transport.js'
import type { BackendInfo, Endpoint } from './types.js'

/** Datagrams Node may hold for a socket whose buffer is full; past it the train waits. */
const MAX_SEND_QUEUE = 64
const PROVER_RECEIVE_BUFFER = 16 << 20
const MEMBER_RECEIVE_BUFFER = 2 << 20
const SEND_BUFFER = 4 << 20

interface DgramRemote extends Remote {
  /** The literal for this socket's family. */
  readonly host: string
  readonly ip: Uint8Array
}

export class DgramTransport implements Transport, Source, LoopMeter {
  readonly info: BackendInfo
  readonly endpoint: Endpoint
  /** Unknown to Node. */
  readonly overflow = 0
  /** Node's timers. */
  readonly granularityMicros = 1000
  readonly socket: Socket
  readonly #ipv6: boolean
  #queue: { readonly remote: DgramRemote; readonly bytes: Uint8Array }[] = []
  /** Source of the datagram in hand. */
  #from: RemoteInfo | undefined
  #fromText = ''
  #fromIp = new Uint8Array(0)

  /** @throws UserError where the address cannot be bound. */
  static async open(
    options: { readonly host: string; readonly port: number; readonly receivesTrains: boolean },
    reason: string,
  ): Promise<DgramTransport> {
    const ipv6 = !isMappedV4(parseIp(options.host))
    const socket = createSocket({
      type: ipv6 ? 'udp6' : 'udp4',
      // Addresses are literals; the default would ask the resolver's thread pool.
      lookup: (host, _options, callback) => callback(null, host, ipv6 ? 6 : 4),
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => reject(bindError(options, error)))
      socket.bind(options.port, options.host, resolve)
    })
    socket.removeAllListeners('error')
    // Errors of single datagrams (unreachable peers) are losses.
    socket.on('error', () => undefined)
    try {
      socket.setRecvBufferSize(options.receivesTrains ? PROVER_RECEIVE_BUFFER : MEMBER_RECEIVE_BUFFER)
      socket.setSendBufferSize(SEND_BUFFER)
    } catch {
      // Some systems refuse instead of clamping: then their defaults stay.
    }
    return new DgramTransport(socket, options.host, ipv6, reason)
  }

  private constructor(socket: Socket, host: string, ipv6: boolean, reason: string) {
    this.socket = socket
    this.#ipv6 = ipv6
    this.endpoint = { host, port: socket.address().port }
    this.info = { name: 'dgram', reason: `node:dgram: ${reason}`, timestamps: 'user' }
  }

  allocate(length: number): Region {
    return fastCrypto().crypto.allocate(length)
  }

  resolve(endpoint: Endpoint): Remote {
    const ip = parseIp(endpoint.host)
    const mapped = isMappedV4(ip)
    if (!mapped && !this.#ipv6) throw new Error(`${endpoint.host} cannot be reached from an IPv4 socket`)
    const text = formatIp(ip)
    const remote: DgramRemote = { endpoint, ip, host: mapped && this.#ipv6 ? `::ffff:${text}` : text }
    return remote
  }

  sendTrain(remote: Remote, region: Region, first: number, count: number, _segments: number): number {
    const { host, endpoint } = remote as DgramRemote
    for (let i = 0; i < count; i++) {
      if (this.socket.getSendQueueCount() > MAX_SEND_QUEUE) return i
      const offset = (first + i) * MAX_DATAGRAM_BYTES
      this.socket.send(
        region.bytes.subarray(offset, offset + MAX_DATAGRAM_BYTES),
        endpoint.port,
        host,
        ignoreLoss,
      )
    }
    return count
  }

  queue(remote: Remote, bytes: Uint8Array): void {
    this.#queue.push({ remote: remote as DgramRemote, bytes })
  }

  flush(): void {
    const queued = this.#queue
    this.#queue = []
    for (const { remote, bytes } of queued)
      this.socket.send(bytes, remote.endpoint.port, remote.host, ignoreLoss)
  }

  /** Names the datagram that is handled next. */
  setSource(from: RemoteInfo): void {
    this.#from = from
  }

  matches(remote: Remote): boolean {
    const other = remote as DgramRemote
    if (this.#from?.port !== other.endpoint.port) return false
    const ip = this.#sourceIp()
    return other.ip.every((byte, i) => byte === ip[i])
  }

  toRemote(): Remote {
    return this.resolve({ host: formatIp(this.#sourceIp()), port: this.#from?.port ?? 0 })
  }

  /** The share of time is Node's own figure. */
  waitedMicros(): number {
    return performance.eventLoopUtilization().idle * 1000
  }

  close(): void {
    this.socket.close()
  }

  #sourceIp(): Uint8Array {
    const text = this.#from?.address ?? '0.0.0.0'
    if (text !== this.#fromText) {
      this.#fromText = text
      // A link-local source carries its interface after a percent sign.
      this.#fromIp = Uint8Array.from(parseIp(text.split('%')[0] ?? text))
    }
    return this.#fromIp
  }
}

function ignoreLoss(): void {}

function bindError(options: Endpoint, error: Error): UserError {
  const code = (error as NodeJS.ErrnoException).code
  const where = `UDP ${options.host} port ${options.port}`
  if (code === 'EADDRINUSE')
    return new UserError(`${where} is in use`, { code: 'BUSY', remedy: 'choose another port', cause: error })
  return new UserError(`${where} cannot be bound (${code ?? error.message})`, {
    code: 'BAD_CONFIG',
    remedy: 'bind 0.0.0.0 or an address of this machine, and a port above 1023',
    cause: error,
  })
}
