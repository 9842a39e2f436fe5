/**
 * What a challenge tells beside its proof: latency, delay variation, reordering, loss of probes. The prover times its own
 * probes and stamps its own arrivals, so that none of it is guaranteed.
 */
import { decodeOrder } from '../pob/arrival-order.js'
import { teamMembers } from '../pob/committee.js'
import { packetCountOf } from '../pob/constants.js'
import { type WorkingLatency, workingLatency } from '../pob/telemetry/latency.js'
import { reorderingOf } from '../pob/telemetry/reordering.js'
import type { ChallengeOutcome } from './coordinator/types.js'

export interface Telemetry {
  /** Nothing of it is: see the file's head. */
  readonly guaranteed: false
  readonly latency: WorkingLatency
  /** RFC 3393, of the trains; null where the prover said nothing of it. */
  readonly delayVariationMs: { readonly median: number; readonly p95: number } | null
  /** RFC 4737, of the trains. */
  readonly reordering: { readonly reorderedPct: number; readonly maxExtent: number }
}

export type Told = Pick<ChallengeOutcome, 'paths' | 'plan' | 'statistics' | 'evidence'>

export function telemetryOf(outcome: Told): Telemetry {
  return {
    guaranteed: false,
    latency: latencyOf(outcome),
    delayVariationMs: variationOf(outcome),
    reordering: orderOf(outcome),
  }
}

/** Members are compared with themselves: those that sent in no slot have no loaded probes. */
function latencyOf({ paths, plan, statistics }: Told): WorkingLatency {
  const loaded = new Map<number, (readonly number[])[]>()
  for (const { slot, loadedMicros } of statistics)
    for (const [i, member] of teamMembers(plan, slot).entries())
      loaded.set(member, [...(loaded.get(member) ?? []), loadedMicros?.[i] ?? []])
  return workingLatency(
    paths.map(({ idleMicros }, member) => ({
      idleMicros: idleMicros ?? [],
      loadedMicros: loaded.get(member) ?? [],
    })),
  )
}

function variationOf({ statistics }: Told): Telemetry['delayVariationMs'] {
  const told = statistics.flatMap(({ variationMedianMicros: median, variationP95Micros: p95 }) =>
    median === undefined || p95 === undefined ? [] : [{ median, p95 }],
  )
  if (told.length === 0) return null
  const mean = (of: (each: { median: number; p95: number }) => number) =>
    Math.round(told.reduce((sum, each) => sum + of(each), 0) / told.length) / 1000
  return { median: mean(({ median }) => median), p95: mean(({ p95 }) => p95) }
}

/** From the orders in the evidence, which was found in order before. */
function orderOf({ evidence, plan }: Told): Telemetry['reordering'] {
  const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
  let packets = 0
  let reordered = 0
  let maxExtent = 0
  for (const order of evidence.slots.flatMap(({ capture }) => capture?.orders ?? [])) {
    const found = reorderingOf(decodeOrder(order, packetCount))
    packets += found.packets
    reordered += found.reordered
    maxExtent = Math.max(maxExtent, found.maxExtent)
  }
  return { reorderedPct: packets === 0 ? 0 : Math.round((1e5 * reordered) / packets) / 1000, maxExtent }
}
