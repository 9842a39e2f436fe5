/**
 * A local beacon behind drand's HTTP API, for tests, laboratories and closed networks. It never serves a round before
 * its time: whoever holds the key could know the future, and the key stays in here.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { type BeaconInfo, roundAt, signRound, timeOfRound } from '../crypto/beacon.js'
import { UserError } from '../errors.js'

export interface BeaconServerOptions {
  readonly info: BeaconInfo
  /** 32 bytes. */
  readonly secret: Uint8Array
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Unix milliseconds. */
  readonly now?: () => number
}

export interface BeaconServer {
  /** Base URL for `beacon.urls`. */
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

/** drand's name of the scheme that crypto/beacon.ts implements. */
const SCHEME = 'bls-unchained-g1-rfc9380'
/** Signing takes 5 ms; everybody asks for the same few rounds. */
const MAX_CACHED_ROUNDS = 256
const MAX_CONNECTIONS = 256
const REQUEST_TIMEOUT_MS = 5000

interface Answer {
  readonly status: number
  readonly body: unknown
  readonly retryAfterSeconds?: number
}

/** @throws UserError UNAVAILABLE where host and port cannot be bound */
export async function startBeaconServer(options: BeaconServerOptions): Promise<BeaconServer> {
  const { info, host } = options
  const now = options.now ?? Date.now
  const chain = bytesToHex(info.chainHash)
  const cache = new Map<number, string>()

  const signatureOf = (round: number): string => {
    const cached = cache.get(round)
    if (cached !== undefined) return cached
    const signature = bytesToHex(signRound(options.secret, round))
    const [oldest] = cache.keys()
    if (cache.size >= MAX_CACHED_ROUNDS && oldest !== undefined) cache.delete(oldest)
    cache.set(round, signature)
    return signature
  }

  const answerTo = (request: IncomingMessage): Answer => {
    if (request.method !== 'GET') return { status: 405, body: { error: 'only GET' } }
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    const newest = roundAt(info, now() / 1000)
    if (path === '/health') return { status: 200, body: { current: newest } }
    if (path === '/chains') return { status: 200, body: [chain] }
    if (path === `/${chain}/info`) return { status: 200, body: describe(info) }
    const match = /^\/([0-9a-f]{64})\/public\/(latest|[1-9]\d{0,14})$/.exec(path)
    if (match === null || match[1] !== chain) return { status: 404, body: { error: 'not found' } }
    const round = match[2] === 'latest' ? newest : Number(match[2])
    if (round > newest || round < 1) {
      const waitSeconds = timeOfRound(info, Math.max(1, round)) - now() / 1000
      return {
        status: 425,
        body: { error: 'this round lies in the future' },
        retryAfterSeconds: Math.max(1, Math.ceil(waitSeconds)),
      }
    }
    const signature = signatureOf(round)
    const randomness = bytesToHex(sha256(hexToBytes(signature)))
    return { status: 200, body: { round, randomness, signature } }
  }
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const { status, body, retryAfterSeconds } = answerTo(request)
    if (retryAfterSeconds !== undefined) response.setHeader('retry-after', retryAfterSeconds)
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify(body))
  }

  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: 8192 }, onRequest)
  server.maxConnections = MAX_CONNECTIONS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, host, resolve)
  }).catch((cause: unknown) => {
    throw new UserError(`the beacon cannot listen on ${host}:${options.port}`, {
      code: 'UNAVAILABLE',
      remedy: 'choose another port',
      cause,
    })
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function describe(info: BeaconInfo): object {
  return {
    public_key: bytesToHex(info.publicKey),
    period: info.periodSeconds,
    genesis_time: info.genesisTimeSeconds,
    hash: bytesToHex(info.chainHash),
    schemeID: SCHEME,
    metadata: { beaconID: `plumbline-${info.kind}` },
  }
}
