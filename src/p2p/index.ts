/**
 * The control plane: authenticated request and answer between peers over libp2p, discovery, pings.
 *
 *     const host = await createHost(options, { identity, log })
 *     await host.handle(echo, async (text, remote) => text)
 *     const answer = await host.request({ publicKey, addresses }, echo, 'hello')
 *     await host.stop()
 *
 * Messages are deterministic CBOR with a length before them, one stream per request, or one for all of the exchanges that
 * are asked often; statuses come in band.
 */
import '../node/polyfills.js'
import type { Identity } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import type { Logger } from '../telemetry/logger.js'
import { createGater } from './gater.js'
import { type Ban, Host } from './host.js'
import { libp2pPrivateKey } from './keys.js'
import { createNode, type NodeOptions } from './libp2p-node.js'
import { PeerStore } from './peer-store.js'
import { PeerScores, type ScoreOptions } from './scores.js'

export type { Announcement, AnnouncementContent } from './announcements.js'
export { RemoteError } from './answer.js'
export type { AskOptions } from './ask.js'
export type { FoundPeer } from './dht.js'
export type { Ban, ConnectionView, Host } from './host.js'
export { networkOf } from './network-of.js'
export type { PingOptions } from './ping.js'
export { type Exchange, type FailureStatus, FINDINGS_TOPIC, OFFERS_TOPIC, protocolId } from './protocols.js'
export type { HandleOptions, Handler, Remote } from './serve.js'
export { MAX_SHARED_REQUEST_BYTES } from './shared-stream/limits.js'
export { SpareStream } from './spare-stream.js'
export type { StreamAhead } from './stream-ahead.js'
export type { PeerTarget } from './target.js'

export interface HostOptions extends Partial<NodeOptions> {
  /** Multiaddrs with /p2p/: dialled at the start and again whenever the connection is lost. */
  readonly bootstrap?: readonly string[]
  /** Directory for libp2p's own records of peers; in memory without. */
  readonly peerStorePath?: string
  readonly scores?: ScoreOptions
  /** Bans from before a restart. */
  readonly bans?: readonly Ban[]
  /** Told each new ban, to keep it. */
  readonly onBan?: (ban: Ban) => void
}

const DEFAULTS: NodeOptions = {
  listen: [],
  announce: [],
  relays: [],
  enableRelayServer: false,
  maxPeers: 100,
  // A household or a carrier's NAT may hold several nodes that come back at once after an outage.
  inboundConnectionThreshold: 20,
  privateNetwork: false,
}

/** Builds and starts a host. @throws UserError UNAVAILABLE (cannot listen), LOCKED (its peer store is in use) */
export async function createHost(
  options: HostOptions,
  modules: { readonly identity: Identity; readonly log: Logger },
): Promise<Host> {
  const {
    bootstrap = [],
    peerStorePath,
    scores: scoreOptions = {},
    bans = [],
    onBan = () => {},
    ...rest
  } = options
  const nodeOptions: NodeOptions = { ...DEFAULTS, ...rest }
  const log = modules.log.child({ component: 'p2p' })
  const scores = new PeerScores(Date.now, scoreOptions)
  for (const { peerId, untilMs } of bans) scores.restoreBan(peerId, untilMs)
  const datastore = peerStorePath === undefined ? undefined : await openPeerStore(peerStorePath, log)
  const node = await createNode(nodeOptions, {
    privateKey: libp2pPrivateKey(modules.identity),
    gater: createGater({ isRelay: nodeOptions.enableRelayServer }, scores),
    log,
    ...(datastore === undefined ? {} : { datastore }),
  })
  const host = new Host(
    { bootstrap },
    { identity: modules.identity, node, scores, log, onBan, close: async () => datastore?.close() },
  )
  await host.start()
  return host
}

async function openPeerStore(path: string, log: Logger): Promise<PeerStore> {
  const datastore = new PeerStore(path, log)
  try {
    await datastore.open()
    return datastore
  } catch (cause) {
    throw new UserError(`cannot open the peer store at ${path}`, {
      code: 'LOCKED',
      remedy: 'stop the other plumbline, or give this one its own --data-dir',
      cause,
    })
  }
}
