/** The published rule (arXiv:2210.11546 section 5), for comparison only: it subtracts round-trip times that the prover controls. */
import { upperMedian } from './statistics.js'
import type { TeamMeasurement } from './team-value.js'

const TRAIN_SECONDS = 0.1

export interface PublishedParameters {
  readonly claimBps: number
  readonly faulty: number
  /** Per member. */
  readonly roundTripMicros: readonly number[]
}

/** bits / T, T = median of the challengers' (ack arrival - first send - round trip); guaranteed = (n - 2f) / (n - f) of it. */
export function publishedRule(
  team: TeamMeasurement | undefined,
  parameters: PublishedParameters,
): { readonly estimateBps: number; readonly guaranteedBps: number } {
  const nothing = { estimateBps: 0, guaranteedBps: 0 }
  if (team === undefined) return nothing
  const totals = team.acks.map((ack) => ack.bits.reduce((sum, bits) => sum + bits, 0))
  const enough = totals.findIndex((bits) => bits >= parameters.claimBps * TRAIN_SECONDS)
  const stop = enough >= 0 ? enough : totals.length - 1
  const times = (team.acks[stop]?.ownSeconds ?? []).flatMap((own, member) =>
    own === null ? [] : [own - (parameters.roundTripMicros[member] ?? 0) / 1e6],
  )
  if (times.length === 0) return nothing
  const seconds = upperMedian(times)
  if (seconds <= 0) return nothing
  const estimateBps = (totals[stop] ?? 0) / seconds
  const n = team.memberCount
  const alpha = Math.max(0, (n - 2 * parameters.faulty) / (n - parameters.faulty))
  return { estimateBps, guaranteedBps: alpha * estimateBps }
}
