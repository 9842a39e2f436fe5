/**
 * What peers did wrong. Points decay; enough of them ban a peer for a while. Pure: the clock is handed in. Bounded: the
 * most harmless peers are forgotten first.
 */

/** Points per misdeed: a hundred are a ban. */
export const PENALTIES = {
  /** A request that never ended: could be a slow line. */
  timeout: 2,
  rateLimited: 2,
  /** Could be another version. */
  badRequest: 10,
  /** No honest node sends more than its own limits allow, or bytes that are no message. */
  oversize: 35,
  garbage: 35,
  /** A provable fault: a wrong signature, equivocation. */
  fault: 100,
} as const
export type Misdeed = keyof typeof PENALTIES

export interface ScoreOptions {
  /** Half of the points are forgiven in this time. */
  readonly halfLifeMs?: number
  readonly banMs?: number
  readonly maxPeers?: number
}

const BAN_POINTS = 100
/** A misbehaving release is often mended within the hour. */
const DEFAULT_HALF_LIFE_MS = 30 * 60_000
const DEFAULT_BAN_MS = 60 * 60_000
const DEFAULT_MAX_PEERS = 10_000

interface Standing {
  readonly points: number
  readonly atMs: number
  /** 0: not banned. */
  readonly bannedUntilMs: number
}

export class PeerScores {
  readonly #standings = new Map<string, Standing>()
  readonly #now: () => number
  readonly #halfLifeMs: number
  readonly #banMs: number
  readonly #maxPeers: number

  /** @param now milliseconds; Unix time where bans are to outlive a restart */
  constructor(now: () => number, options: ScoreOptions = {}) {
    this.#now = now
    this.#halfLifeMs = options.halfLifeMs ?? DEFAULT_HALF_LIFE_MS
    this.#banMs = options.banMs ?? DEFAULT_BAN_MS
    this.#maxPeers = options.maxPeers ?? DEFAULT_MAX_PEERS
  }

  get size(): number {
    return this.#standings.size
  }

  /** Counts a misdeed; true where it led to a ban that was not in force before. */
  report(peerId: string, misdeed: Misdeed): boolean {
    const now = this.#now()
    const wasBanned = this.isBanned(peerId)
    const points = this.points(peerId) + PENALTIES[misdeed]
    const banned = points >= BAN_POINTS
    const before = this.#standings.get(peerId)?.bannedUntilMs ?? 0
    // Banned peers are not answered, so points start afresh; the next offence counts in full.
    const standing = banned
      ? { points: BAN_POINTS / 2, atMs: now, bannedUntilMs: now + this.#banMs }
      : { points, atMs: now, bannedUntilMs: before }
    this.#standings.delete(peerId)
    if (this.#standings.size >= this.#maxPeers) this.#makeRoom()
    this.#standings.set(peerId, standing)
    return banned && !wasBanned
  }

  /** Points now, after decay; 0 is blameless. */
  points(peerId: string): number {
    const standing = this.#standings.get(peerId)
    if (standing === undefined) return 0
    return standing.points * 0.5 ** ((this.#now() - standing.atMs) / this.#halfLifeMs)
  }

  isBanned(peerId: string): boolean {
    return (this.#standings.get(peerId)?.bannedUntilMs ?? 0) > this.#now()
  }

  /** When a ban ends; undefined where there is none. */
  bannedUntil(peerId: string): number | undefined {
    return this.isBanned(peerId) ? this.#standings.get(peerId)?.bannedUntilMs : undefined
  }

  /** Takes up a ban from before a restart. */
  restoreBan(peerId: string, bannedUntilMs: number): void {
    const now = this.#now()
    if (bannedUntilMs <= now) return
    if (this.#standings.size >= this.#maxPeers) this.#makeRoom()
    // The clock may have been set back meanwhile.
    const until = Math.min(bannedUntilMs, now + this.#banMs)
    this.#standings.set(peerId, { points: BAN_POINTS / 2, atMs: now, bannedUntilMs: until })
  }

  /** Drops whoever is blameless by now; failing that the peer that is not banned and has the fewest points. */
  #makeRoom(): void {
    let mildest: { readonly peerId: string; readonly weight: number } | undefined
    for (const peerId of [...this.#standings.keys()]) {
      const points = this.points(peerId)
      if (points < 1 && !this.isBanned(peerId)) {
        this.#standings.delete(peerId)
        continue
      }
      const weight = points + (this.isBanned(peerId) ? BAN_POINTS : 0)
      if (mildest === undefined || weight < mildest.weight) mildest = { peerId, weight }
    }
    if (this.#standings.size >= this.#maxPeers && mildest !== undefined)
      this.#standings.delete(mildest.peerId)
  }
}
