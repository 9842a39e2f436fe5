/** Tells the network what this node is, by signed gossip and the DHT, and keeps what others tell. */
import type { Config, Role } from '../config/schema.js'
import type { Host } from '../p2p/index.js'
import type { Store } from '../store/index.js'
import type { Logger } from '../telemetry/logger.js'

/** Connections are there, and addresses known. */
const FIRST_MS = 5_000
/** What others announced is written this often: worth dialling again after a restart. */
const KEEP_PEERS_EVERY_MS = 10 * 60_000
const MAX_PEERS_KEPT = 200
const MAX_ADDRESSES = 8

export interface Announcer {
  stop(): void
}

export function startAnnouncer(
  { config, roles }: { readonly config: Config; readonly roles: readonly Role[] },
  { host, store, log }: { readonly host: Host; readonly store: Store; readonly log: Logger },
): Announcer {
  const isChallenger = roles.includes('challenger')
  const { uplinkMbps } = config.challenger
  const content = () => ({
    roles: [...roles],
    addresses: host.addresses().slice(0, MAX_ADDRESSES),
    udpPort: isChallenger ? config.dataPlane.udpPort : 0,
    uplinkKbps: isChallenger && uplinkMbps !== undefined ? Math.round(uplinkMbps * 1000) : 0,
  })
  const quietly = (work: Promise<unknown>) =>
    work.catch((error: unknown) =>
      log.debug({ reason: String(error) }, 'an announcement did not get through'),
    )
  const begin = () => {
    void quietly(host.announce(content))
    // Without peers nobody could keep the record.
    if (host.connections().length > 0) for (const role of roles) void quietly(host.dht.provide(role))
  }
  const keepPeers = async () => {
    for (const peer of host.announcements.list().slice(0, MAX_PEERS_KEPT)) {
      const bannedUntilMs = host.scores.bannedUntil(peer.peerId)
      await store.peers.put(peer.peerId, {
        peerId: peer.peerId,
        addresses: peer.addresses,
        roles: peer.roles,
        lastSeenMs: Date.now(),
        score: 0 - Math.round(host.scores.points(peer.peerId)),
        ...(bannedUntilMs === undefined ? {} : { bannedUntilMs }),
      })
    }
  }
  const first = setTimeout(begin, FIRST_MS)
  const every = setInterval(() => void quietly(keepPeers()), KEEP_PEERS_EVERY_MS)
  first.unref()
  every.unref()
  return {
    stop: () => {
      clearTimeout(first)
      clearInterval(every)
    },
  }
}
