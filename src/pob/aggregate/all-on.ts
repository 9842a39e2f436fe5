/**
 * The value of one team that holds everybody (docs/protocol.md section 9, all-on). Of the members that had an ack by a
 * time t at most f are corrupt, so the honest ones among them sent at least what is left without the f largest shares;
 * all that came from them crossed the link within t. A member that is silent or claims to have waited for ever only
 * leaves the count.
 */
import { MIN_TAU_SHARE } from '../constants.js'
import type { TeamAck, TeamMeasurement, TeamValueParameters } from './team-value.js'

/** Most bit/s over the times at which members had this ack. */
function valueAtAck(ack: TeamAck, distrusted: number, { tauSeconds, capBps }: TeamValueParameters): number {
  const received = ack.ownSeconds
    .flatMap((own, member) => (own === null ? [] : [{ own, bits: ack.bits[member] ?? 0 }]))
    .sort((a, b) => a.own - b.own)
  /** Of the members so far: the largest shares, ascending, and the sum of the others. */
  const largest: number[] = []
  let others = 0
  let most = 0
  for (const { own, bits } of received) {
    let place = largest.length
    while (place > 0 && (largest[place - 1] ?? 0) > bits) place--
    largest.splice(place, 0, bits)
    if (largest.length > distrusted) others += largest.shift() ?? 0
    // A short time lets the link's burst weigh more than the bound allows.
    if (own >= MIN_TAU_SHARE * tauSeconds) most = Math.max(most, others / own)
  }
  return Math.min(capBps, most)
}

/** bit/s at the best ack, whichever `distrusted` members are corrupt. */
export function allOnValue(
  team: TeamMeasurement,
  distrusted: number,
  parameters: TeamValueParameters,
): number {
  return team.acks.reduce((most, ack) => Math.max(most, valueAtAck(ack, distrusted, parameters)), 0)
}
