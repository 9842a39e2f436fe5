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

/** Bits of H's packets over the longest own time in H at one ack; 0 where the ack does not count for H. */
function valueAtAck(
  ack: TeamAck,
  members: readonly number[],
  { tauSeconds, capBps }: TeamValueParameters,
): number {
  let bits = 0
  let longest = 0
  for (const member of members) {
    const own = ack.ownSeconds[member]
    if (own === null || own === undefined) return 0
    bits += ack.bits[member] ?? 0
    if (own > longest) longest = own
  }
  return longest < MIN_TAU_SHARE * tauSeconds ? 0 : Math.min(capBps, bits / longest)
}

/** The least V_H over sets H of `size` members, V_H being the value at H's best ack. */
function leastOverSets(team: TeamMeasurement, size: number, parameters: TeamValueParameters): number {
  const { acks, memberCount } = team
  let least = Number.POSITIVE_INFINITY
  /** The ack that settled the last set is tried first: one that reaches the least so far ends the search. */
  let best = 0
  forEachSubset(memberCount, size, (members) => {
    let value = 0
    for (let i = 0; i < acks.length && value < least; i++) {
      const k = (best + i) % acks.length
      const ack = acks[k]
      const at = ack === undefined ? 0 : valueAtAck(ack, members, parameters)
      if (at <= value) continue
      value = at
      if (value >= least) best = k
    }
    least = Math.min(least, value)
  })
  return least
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
  /** Shares of the members before the slowest, ascending. */
  const shares: number[] = []
  for (const [slowest, entry] of received.entries()) {
    if (slowest >= size - 1) {
      if (entry.own < MIN_TAU_SHARE * parameters.tauSeconds) return 0
      let bits = entry.bits
      for (let i = 0; i < size - 1; i++) bits += shares[i] ?? 0
      least = Math.min(least, bits / entry.own)
    }
    let place = shares.length
    while (place > 0 && (shares[place - 1] ?? 0) > entry.bits) place--
    shares.splice(place, 0, entry.bits)
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
    return { bps: leastOverSets(team, size, parameters), bounded: false }
  }
  const best = team.acks.reduce((most, ack) => Math.max(most, leastAtAck(ack, size, parameters)), 0)
  return { bps: best, bounded: true }
}
