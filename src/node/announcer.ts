/** Tells the network what this node is, by signed gossip, and keeps what others tell. */
import type { Config, Role } from '../config/schema.js'
import type { Host } from '../p2p/index.js'
import type { Store } from '../store/index.js'
import type { Logger } from '../telemetry/logger.js'

/** An announcement lives half an hour. */
const ANNOUNCE_EVERY_MS = 10 * 60_000
/** Connections are there, and addresses known. */
const FIRST_ANNOUNCEMENT_MS = 5_000
/** Peers written at a time. */
const MAX_PEERS_KEPT = 200
const MAX_ADDRESSES = 8

export interface Announcer {
  stop(): void
}

export function startAnnouncer(
  { config, roles }: { readonly config: Config; readonly roles: readonly Role[] },
  { host, store, log }: { readonly host: Host; readonly store: Store; readonly log: Logger },
): Announcer {
  const announce = async () => {
    const isChallenger = roles.includes('challenger')
    const { uplinkMbps } = config.challenger
    try {
      await host.announce({
        roles: [...roles],
        addresses: host.addresses().slice(0, MAX_ADDRESSES),
        udpPort: isChallenger ? config.dataPlane.udpPort : 0,
        uplinkKbps: isChallenger && uplinkMbps !== undefined ? Math.round(uplinkMbps * 1000) : 0,
      })
      for (const peer of host.announcements.list().slice(0, MAX_PEERS_KEPT))
        await store.peers.put(peer.peerId, {
          peerId: peer.peerId,
          addresses: peer.addresses,
          roles: peer.roles,
          lastSeenMs: Date.now(),
          score: -Math.round(host.scores.points(peer.peerId)),
        })
    } catch (error) {
      log.debug({ reason: String(error) }, 'the announcement failed; trying again later')
    }
  }
  const first = setTimeout(() => void announce(), FIRST_ANNOUNCEMENT_MS)
  const every = setInterval(() => void announce(), ANNOUNCE_EVERY_MS)
  first.unref()
  every.unref()
  return {
    stop: () => {
      clearTimeout(first)
      clearInterval(every)
    },
  }
}
