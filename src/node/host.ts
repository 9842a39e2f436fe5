/** The libp2p host that a configuration describes. */
import { isIP } from 'node:net'
import { dataPaths } from '../config/paths.js'
import type { Config } from '../config/schema.js'
import type { Identity } from '../crypto/identity.js'
import { createHost, type Host, type HostOptions } from '../p2p/index.js'
import type { Logger } from '../telemetry/logger.js'

/** A laboratory's or an office's nodes come back at once and from one address. */
const PRIVATE_INBOUND_THRESHOLD = 500

export interface NodeHostOptions {
  readonly config: Config
  readonly identity: Identity
  readonly log: Logger
  /** Dials only: no listener, nothing kept on disk. */
  readonly clientOnly?: boolean
  /** See {@link HostOptions}; none are kept without. */
  readonly bans?: Pick<HostOptions, 'bans' | 'onBan'>
}

export function createNodeHost({
  config,
  identity,
  log,
  clientOnly = false,
  bans = {},
}: NodeHostOptions): Promise<Host> {
  const { listen, announce, bootstrap, relays, enableRelayServer, maxPeers } = config.network
  // A beacon of one's own means a network of one's own: private addresses are shared, everybody serves the DHT.
  const privateNetwork = config.beacon.kind === 'local'
  return createHost(
    {
      listen: clientOnly ? [] : listen,
      announce: clientOnly ? [] : announce,
      relays: clientOnly ? [] : relays,
      bootstrap,
      enableRelayServer: !clientOnly && enableRelayServer,
      maxPeers,
      privateNetwork,
      ...bans,
      ...(privateNetwork ? { inboundConnectionThreshold: PRIVATE_INBOUND_THRESHOLD } : {}),
      ...(clientOnly ? {} : { peerStorePath: dataPaths(config.dataDir).peerStore }),
    },
    { identity, log },
  )
}

/** The IP address of a multiaddr, where it has one in front. */
export function hostOfMultiaddr(address: string): string | undefined {
  const [, , host = ''] = address.split('/')
  return isIP(host) === 0 ? undefined : host
}
