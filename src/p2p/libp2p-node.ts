/** Our libp2p: transports, services and limits, in one place with their reasons. Not started yet. */
import '../node/polyfills.js'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { type GossipSub, gossipsub, StrictNoSign } from '@libp2p/gossipsub'
import { identify, identifyPush } from '@libp2p/identify'
import {
  type ConnectionGater,
  FaultTolerance,
  type Libp2p,
  type PrivateKey,
  type ServiceMap,
} from '@libp2p/interface'
import { kadDHT, passthroughMapper, removePrivateAddressesMapper } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import type { LevelDatastore } from 'datastore-level'
import { createLibp2p } from 'libp2p'
import type { Logger } from '../telemetry/logger.js'
import { MAX_ANNOUNCEMENT_BYTES } from './announcements.js'
import { gatheringWrites } from './gather-writes.js'
import { KAD_PROTOCOL, TOPICS } from './protocols.js'
import { type RelayComponents, RelayKeeper } from './relays.js'

export interface NodeOptions {
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  readonly relays: readonly string[]
  readonly enableRelayServer: boolean
  readonly maxPeers: number
  /** New connections a second from one host. libp2p's 5 is too few where several nodes share an address. */
  readonly inboundConnectionThreshold: number
  /** A LAN or a laboratory: private addresses are shared with others, and every node serves the DHT. */
  readonly privateNetwork: boolean
}

export interface NodeServices extends ServiceMap {
  readonly ping: Ping
  readonly pubsub: GossipSub
  readonly relays: RelayKeeper
}

/**
 * What relays allow a relayed connection. libp2p's 128 KiB and two minutes do not carry one challenge's evidence;
 * 32 MiB and half an hour carry a strict one at 1 Gbit/s, and still no data plane.
 */
const RELAY_DATA_BYTES = 33_554_432n
const RELAY_DURATION_MS = 30 * 60_000
/** libp2p's 15 fill with one house of flats; a place costs a map entry and an idle connection. */
const RELAY_RESERVATIONS = 128

/** Through a relay a connection is set up twice; the slowest lines need some seconds for each. */
const DIAL_TIMEOUT_MS = 15_000
const ADDRESS_DIAL_TIMEOUT_MS = 6000
/** Handshakes under way at once: noise costs 5 ms each. */
const MAX_PENDING_INBOUND = 30
/** Streams opened before our side of the handshake is through; libp2p's 10 break the connection of an eager peer. */
const MAX_EARLY_STREAMS = 64
/** Some announcements in one gossip message, with room for its control part. */
const MAX_GOSSIP_BYTES = 16 * MAX_ANNOUNCEMENT_BYTES

export interface NodeModules {
  readonly privateKey: PrivateKey
  readonly gater: ConnectionGater
  readonly log: Logger
  /** libp2p's own records of peers; open. In memory without. */
  readonly datastore?: LevelDatastore
}

export function createNode(options: NodeOptions, modules: NodeModules): Promise<Libp2p<NodeServices>> {
  const { datastore } = modules
  return createLibp2p<NodeServices>({
    start: false,
    privateKey: modules.privateKey,
    nodeInfo: { name: 'plumbline', version: '1', userAgent: 'plumbline/1' },
    ...(datastore === undefined ? {} : { datastore }),
    addresses: {
      listen: [...options.listen],
      announce: [...options.announce],
    },
    // Without a listener of its own a node still dials out, and is reached through its relays.
    transportManager: {
      faultTolerance: options.listen.length === 0 ? FaultTolerance.NO_FATAL : FaultTolerance.FATAL_ALL,
    },
    transports: [tcp(), circuitRelayTransport()],
    connectionEncrypters: [gatheringWrites(noise())],
    streamMuxers: [yamux({ maxEarlyStreams: MAX_EARLY_STREAMS })],
    connectionGater: modules.gater,
    connectionManager: {
      maxConnections: options.maxPeers,
      inboundConnectionThreshold: options.inboundConnectionThreshold,
      maxIncomingPendingConnections: MAX_PENDING_INBOUND,
      dialTimeout: DIAL_TIMEOUT_MS,
      addressDialTimeout: ADDRESS_DIAL_TIMEOUT_MS,
      maxParallelDials: 32,
      maxDialQueueLength: 200,
    },
    // liveness.ts does its work.
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping(),
      relays: (components: RelayComponents) =>
        new RelayKeeper(
          components,
          options.relays.map((relay) => multiaddr(relay)),
          modules.log,
        ),
      dht: kadDHT({
        protocol: KAD_PROTOCOL,
        // undefined: a server where a public address of ours is known, otherwise a client.
        ...(options.privateNetwork ? { clientMode: false } : {}),
        peerInfoMapper: options.privateNetwork ? passthroughMapper : removePrivateAddressesMapper,
        // The first node of a network has nobody to ask, and should not wait for anybody.
        allowQueryWithZeroPeers: true,
      }),
      pubsub: gossipsub({
        // Announcements carry a signature of their own, and a second one would double the cost.
        globalSignaturePolicy: StrictNoSign,
        allowPublishToZeroTopicPeers: true,
        ignoreDuplicatePublishError: true,
        emitSelf: false,
        runOnLimitedConnection: true,
        allowedTopics: [...TOPICS],
        maxInboundDataLength: MAX_GOSSIP_BYTES,
        maxOutboundBufferSize: 4 * MAX_GOSSIP_BYTES,
        asyncValidation: false,
        // In a laboratory all peers may share one address.
        ...(options.privateNetwork ? { scoreParams: { IPColocationFactorWeight: 0 } } : {}),
        decodeRpcLimits: {
          maxSubscriptions: 16,
          maxMessages: 64,
          maxIhaveMessageIDs: 5000,
          maxIwantMessageIDs: 5000,
          maxIdontwantMessageIDs: 512,
          maxControlMessages: 256,
          maxPeerInfos: 16,
        },
      }),
      ...(options.enableRelayServer
        ? {
            relayServer: circuitRelayServer({
              reservations: {
                maxReservations: RELAY_RESERVATIONS,
                defaultDataLimit: RELAY_DATA_BYTES,
                defaultDurationLimit: RELAY_DURATION_MS,
              },
            }),
          }
        : {}),
    },
  })
}
