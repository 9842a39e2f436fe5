/**
 * Dial-back: a node asks another whether it can be reached from outside. The other one connects to, and sends one datagram
 * to, the address it sees the request come from, and nowhere else: nobody else can be bothered through it.
 */
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { bytes, type Infer, integer, object, optional, text } from '../crypto/cbor-schema.js'
import type { Exchange, Host, PeerTarget } from '../p2p/index.js'
import { Refusal } from '../roles/protocol-error.js'
import { hostOfMultiaddr } from './host.js'

const CONNECT_TIMEOUT_MS = 4_000
const TOKEN_BYTES = 16
/** A datagram may be lost. */
const DATAGRAMS = 3

const request = object({
  tcpPort: optional(integer({ min: 1, max: 65_535 })),
  udpPort: optional(integer({ min: 1, max: 65_535 })),
  token: bytes({ length: TOKEN_BYTES }),
})
const response = object({
  /** The address that the answering node sees. */
  seenAs: text({ max: 45 }),
  tcp: optional(text({ max: 200 })),
})
type DialBackAnswer = Infer<typeof response>

export const DIAL_BACK: Exchange<Infer<typeof request>, DialBackAnswer> = {
  name: 'dial-back',
  request,
  response,
  maxRequestBytes: 256,
  maxResponseBytes: 1024,
  deadlineMs: 10_000,
  ratePerPeer: { perSecond: 0.2, burst: 5 },
  rateTotal: { perSecond: 5, burst: 20 },
}

/** `ok`, or why the connection failed. */
function tryTcp(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_TIMEOUT_MS })
    const end = (verdict: string) => {
      socket.destroy()
      resolve(verdict)
    }
    socket.once('connect', () => end('ok'))
    socket.once('timeout', () => end('timed out'))
    socket.once('error', (error) => end(reasonOf(error)))
  })
}

async function sendDatagrams(host: string, port: number, token: Uint8Array): Promise<void> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  socket.on('error', () => {})
  for (let i = 0; i < DATAGRAMS; i++)
    await new Promise<void>((resolve) => socket.send(token, port, host, () => resolve()))
  socket.close()
}

/** Answers dial-back requests. */
export async function handleDialBack(host: Host): Promise<void> {
  await host.handle(DIAL_BACK, async ({ tcpPort, udpPort, token }, remote) => {
    const seenAs = remote.limited ? undefined : hostOfMultiaddr(remote.address)
    if (seenAs === undefined)
      throw new Refusal('denied', 'you are connected through a relay: your own address is not known here')
    if (udpPort !== undefined) await sendDatagrams(seenAs, udpPort, token)
    return { seenAs, ...(tcpPort === undefined ? {} : { tcp: await tryTcp(seenAs, tcpPort) }) }
  })
}

export interface Reachability {
  readonly seenAs: string
  readonly tcp: string | undefined
  /** `ok`, `lost`, or why nothing could listen on the port (`EADDRINUSE` beside a daemon); undefined where it was not asked. */
  readonly udp: string | undefined
}

const UDP_WAIT_MS = 1_500

/** Asks `peer` to dial back. A socket listens on the UDP endpoint meanwhile, where that is free here. */
export async function askDialBack(
  host: Host,
  peer: PeerTarget,
  ports: { readonly tcpPort?: number; readonly udp?: { readonly host: string; readonly port: number } },
): Promise<Reachability> {
  const token = new Uint8Array(randomBytes(TOKEN_BYTES))
  const { tcpPort, udp } = ports
  const listening = udp === undefined ? undefined : await listenFor(token, udp).catch(reasonOf)
  const socket = typeof listening === 'string' ? undefined : listening
  try {
    const answer = await host.request(peer, DIAL_BACK, {
      ...(tcpPort === undefined ? {} : { tcpPort }),
      ...(udp === undefined || socket === undefined ? {} : { udpPort: udp.port }),
      token,
    })
    const arrived = await socket?.arrived()
    return {
      seenAs: answer.seenAs,
      tcp: answer.tcp,
      udp: arrived === undefined ? (listening as string | undefined) : arrived ? 'ok' : 'lost',
    }
  } finally {
    socket?.close()
  }
}

const reasonOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message

async function listenFor(
  token: Uint8Array,
  { host, port }: { readonly host: string; readonly port: number },
) {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  const seen = new Promise<boolean>((resolve) => {
    socket.on('message', (message) => {
      if (Buffer.compare(message, token) === 0) resolve(true)
    })
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close()
      reject(error)
    })
    socket.bind(port, host, resolve)
  })
  return {
    arrived: () =>
      Promise.race([seen, new Promise<boolean>((resolve) => setTimeout(() => resolve(false), UDP_WAIT_MS))]),
    close: () => socket.close(),
  }
}
