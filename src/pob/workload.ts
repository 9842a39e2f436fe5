/**
 * How much traffic must be recomputed to assess evidence, known from its plan and its arrival orders before any of it is
 * (docs/protocol.md section 8): a transcript of some hundred bytes may claim days of traffic.
 */
import { declaredPackets } from './arrival-order.js'
import { KEYSTREAM_BYTES, packetCountOf } from './constants.js'
import type { Evidence } from './evidence.js'
import { attemptsToAssess } from './slot.js'

/**
 * What `verify` recomputes unless it is told to go on. Twenty seconds or so on one core, and above what a strict
 * challenge of 2.5 Gbit/s can need in 40 slots of the longest kind, repeats included in any other profile.
 */
export const DEFAULT_MAX_RECOMPUTED_BYTES = 16 * 2 ** 30

/** Keystream bytes that assessing this evidence generates and hashes at most. No order is unpacked for it. */
export function recomputedBytes({ plan, slots }: Evidence): number {
  const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
  let packets = 0
  for (const { capture } of attemptsToAssess(slots, plan.teams))
    for (const order of capture?.orders.slice(0, plan.teamSize) ?? [])
      packets += declaredPackets(order, packetCount)
  return packets * KEYSTREAM_BYTES
}
