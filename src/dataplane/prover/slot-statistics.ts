/** Figures of a slot for people and flags; nothing of the proof depends on them. */
import { decodeOrder } from '../../pob/arrival-order.js'
import { type DelayVariation, delayVariation } from '../../pob/telemetry/delay-variation.js'
import type { SlotStatistics } from '../types.js'
import type { SlotMember } from './slot-member.js'

const PARTS = 10

export interface SlotMeasure {
  readonly members: readonly SlotMember[]
  readonly tauMicros: number
  /** Per member. */
  readonly loadedMicros: readonly (readonly number[])[]
  readonly overflow: number
  /** 0..1. */
  readonly busyShare: number
}

export function slotStatistics(measure: SlotMeasure): SlotStatistics {
  const { members } = measure
  let first = Number.POSITIVE_INFINITY
  let last = Number.NEGATIVE_INFINITY
  for (const member of members) {
    for (const arrival of member.arrivals()) {
      if (arrival < first) first = arrival
      if (arrival > last) last = arrival
    }
  }
  const span = last > first ? last - first : 0
  const deciles = new Array<number>(PARTS).fill(0)
  for (const member of members) {
    for (const arrival of member.arrivals()) {
      const part = span === 0 ? 0 : Math.min(PARTS - 1, Math.floor(((arrival - first) / span) * PARTS))
      deciles[part] = (deciles[part] ?? 0) + 1
    }
  }
  const sum = (of: (member: SlotMember) => number): number =>
    members.reduce((total, member) => total + of(member), 0)
  const jitters = members.filter((member) => member.count > 2).map((member) => gapJitter(member.arrivals()))
  const variations = members.flatMap((member) =>
    member.count > 1 ? [variationOf(member, measure.tauMicros)] : [],
  )
  const average = (of: (variation: DelayVariation) => number): number =>
    Math.round(variations.reduce((total, each) => total + of(each), 0) / Math.max(1, variations.length))
  return {
    packets: sum((member) => member.count),
    duplicates: sum((member) => member.duplicates),
    badTag: sum((member) => member.badTag),
    overflow: measure.overflow,
    arrivalSpanMicros: Math.round(span),
    jitterMicros: Math.round(
      jitters.reduce((total, jitter) => total + jitter, 0) / Math.max(1, jitters.length),
    ),
    reordered: sum((member) => member.reordered),
    variationMedianMicros: average((each) => each.medianMicros),
    variationP95Micros: average((each) => each.p95Micros),
    delayGrowthMicros: average((each) => each.growthMicros),
    loadedMicros: measure.loadedMicros,
    busyShare: Math.min(1, Math.max(0, measure.busyShare)),
    deciles,
  }
}

/** Packets are due in equal steps over tau. */
function variationOf(member: SlotMember, tauMicros: number): DelayVariation {
  const { packetCount } = member
  const runs = decodeOrder(member.order(), packetCount)
  return delayVariation(runs, member.arrivals(), packetCount, tauMicros / packetCount)
}

/** Mean absolute deviation of the gaps between arrivals from their median. */
function gapJitter(arrivals: Float32Array): number {
  const gaps = new Float32Array(arrivals.length - 1)
  for (let i = 1; i < arrivals.length; i++) gaps[i - 1] = (arrivals[i] ?? 0) - (arrivals[i - 1] ?? 0)
  const median = gaps.slice().sort()[gaps.length >>> 1] ?? 0
  let total = 0
  for (const gap of gaps) total += Math.abs(gap - median)
  return total / gaps.length
}
