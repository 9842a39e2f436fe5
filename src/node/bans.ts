/** Bans outlive a restart: kept with what is known of the peers. */
import type { Ban, HostOptions } from '../p2p/index.js'
import type { Store } from '../store/index.js'
import type { Logger } from '../telemetry/logger.js'

/** For {@link createHost}: the bans still in force, and where new ones go. */
export async function keptBans(
  store: Pick<Store, 'peers'>,
  log: Logger,
): Promise<Required<Pick<HostOptions, 'bans' | 'onBan'>>> {
  const now = Date.now()
  const kept = await store.peers.list()
  const bans = kept.flatMap(({ peerId, bannedUntilMs = 0 }) =>
    bannedUntilMs > now ? [{ peerId, untilMs: bannedUntilMs }] : [],
  )
  const keep = async ({ peerId, untilMs }: Ban): Promise<void> => {
    const known = await store.peers.get(peerId)
    await store.peers.put(peerId, {
      ...(known ?? { peerId, addresses: [], roles: [], lastSeenMs: Date.now(), score: 0 }),
      bannedUntilMs: untilMs,
    })
  }
  return {
    bans,
    onBan: (ban) => {
      keep(ban).catch((error: unknown) =>
        log.warn({ peerId: ban.peerId, reason: String(error) }, 'a ban could not be kept'),
      )
    },
  }
}
