/**
 * The value of one team (docs/protocol.md section 9; the clean-team lemma is in docs/design.md): what the
 * members of a set H saw delivered, over the longest time any of them waited for it.
 */
import { MAX_SUBSETS, MIN_TAU_SHARE } from '../constants.js'

/** One cumulative ack as the team's members saw it. */
export interface TeamAck {
  /** Verified bits of each member that the ack covers. */
  readonly bits: readonly number[]
  /** Seconds from each member's first send to the ack's arrival there, on its own clock; null where it has none. */
  readonly ownSeconds: readonly (number | null)[]
}

export interface TeamMeasurement {
  readonly memberCount: number
  readonly acks: readonly TeamAck[]
}

export interface TeamValueParameters {
  readonly tauSeconds: number
  /** rho x claim, bit/s: no value exceeds what was offered. */
  readonly capBps: number
}

/** V_H: bits of H's packets over the longest own time in H, at the best ack; 0 without one that is long enough. */
function valueOfSet(
  team: TeamMeasurement,
  members: readonly number[],
  { tauSeconds, capBps }: TeamValueParameters,
): number {
  let best = 0
  for (const ack of team.acks) {
    let bits = 0
    let longest = 0
    let complete = true
    for (const member of members) {
      const own = ack.ownSeconds[member]
      if (own === null || own === undefined) {
        complete = false
        break
      }
      bits += ack.bits[member] ?? 0
      if (own > longest) longest = own
    }
    if (!complete || longest < MIN_TAU_SHARE * tauSeconds) continue
    best = Math.max(best, Math.min(capBps, bits / longest))
  }
  return best
}

/** C(n, k), saturating above {@link MAX_SUBSETS}. */
export function subsetCount(n: number, k: number): number {
  let count = 1
  for (let i = 1; i <= Math.min(k, n - k); i++) {
    count = (count * (n - i + 1)) / i
    if (count > MAX_SUBSETS) return Number.POSITIVE_INFINITY
  }
  return Math.round(count)
}

/** Calls `visit` with every ascending subset of `size` out of 0..n-1; the array is reused. */
function forEachSubset(n: number, size: number, visit: (members: readonly number[]) => void): void {
  const chosen = Array.from({ length: size }, (_, i) => i)
  for (;;) {
    visit(chosen)
    let position = size - 1
    while (position >= 0 && chosen[position] === n - size + position) position--
    if (position < 0) return
    let next = (chosen[position] ?? 0) + 1
    for (; position < size; position++) chosen[position] = next++
  }
}

/**
 * The least N_H / T_H over sets H of `size` members at one ack, in O(n^2): for each member s that could be the
 * slowest of H, the others are those not slower, with the largest shares left out. 0 where some
 * set has no complete or no long enough ack.
 */
function leastAtAck(ack: TeamAck, size: number, parameters: TeamValueParameters): number {
  const received = ack.ownSeconds
    .map((own, member) => ({ own, bits: ack.bits[member] ?? 0 }))
    .filter((entry): entry is { own: number; bits: number } => entry.own !== null)
    .sort((a, b) => a.own - b.own)
  // Some set keeps a member that lacks the ack, and gets nothing from it.
  if (received.length < ack.ownSeconds.length) return 0
  let least = Number.POSITIVE_INFINITY
  for (let slowest = size - 1; slowest < received.length; slowest++) {
    const entry = received[slowest]
    if (entry === undefined) continue
    if (entry.own < MIN_TAU_SHARE * parameters.tauSeconds) return 0
    const smallest = received
      .slice(0, slowest)
      .map((other) => other.bits)
      .sort((a, b) => a - b)
      .slice(0, size - 1)
    const bits = smallest.reduce((sum, value) => sum + value, entry.bits)
    least = Math.min(least, bits / entry.own)
  }
  return Math.min(parameters.capBps, least)
}

export interface TeamValue {
  /** bit/s */
  readonly bps: number
  /** True where the subsets were too many and the sound per-ack bound stands instead. */
  readonly bounded: boolean
}

/** V_g(q): the team's value with the q members distrusted that lower it most. */
export function teamValue(
  team: TeamMeasurement,
  distrusted: number,
  parameters: TeamValueParameters,
): TeamValue {
  const size = team.memberCount - distrusted
  if (size <= 0 || team.acks.length === 0) return { bps: 0, bounded: false }
  if (subsetCount(team.memberCount, distrusted) <= MAX_SUBSETS) {
    let least = Number.POSITIVE_INFINITY
    forEachSubset(team.memberCount, size, (members) => {
      if (least > 0) least = Math.min(least, valueOfSet(team, members, parameters))
    })
    return { bps: least, bounded: false }
  }
  const best = team.acks.reduce((most, ack) => Math.max(most, leastAtAck(ack, size, parameters)), 0)
  return { bps: best, bounded: true }
}
