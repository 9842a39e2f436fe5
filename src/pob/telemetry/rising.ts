/**
 * Whether round trips still rise towards the end of the slots. A slot fills a queue by its excess over the link's rate times its
 * length, some tens of milliseconds: of a buffer of a second that is all that is seen, and without this it would read as a small
 * one. Rising in error costs little, for "at least" is true of a queue that was seen whole, too.
 */
import { upperMedian } from '../aggregate/statistics.js'
import type { MemberProbes } from './latency.js'

/** Of the time in which probes leave under load. */
const PARTS = 3
/** Fewer round trips in a part tell nothing. */
const LEAST_SAMPLES = 3
/** A queue that grows by less from part to part grows by 6 ms in the whole slot, or not at all. */
const LEAST_RISE_MICROS = 1_000

/** The last third's median is above the middle third's by more than neighbours differ on the idle path. */
export function isStillRising(members: readonly MemberProbes[]): boolean | null {
  const parts: number[][] = Array.from({ length: PARTS }, () => [])
  const jumps: number[] = []
  for (const { idleMicros, loadedMicros } of members) {
    const idle = idleMicros.filter((rtt) => rtt > 0)
    if (idle.length === 0) continue
    jumps.push(...idle.slice(1).map((rtt, i) => Math.abs(rtt - (idle[i] ?? rtt))))
    // Near and far members together: each counts from its own idle path.
    const base = upperMedian(idle)
    for (const slot of loadedMicros)
      for (const [i, rtt] of slot.entries())
        if (rtt > 0) parts[Math.floor((PARTS * i) / slot.length)]?.push(rtt - base)
  }
  const [, middle = [], last = []] = parts
  if (middle.length < LEAST_SAMPLES || last.length < LEAST_SAMPLES) return null
  const variation = jumps.length === 0 ? 0 : jumps.reduce((sum, jump) => sum + jump, 0) / jumps.length
  return upperMedian(last) - upperMedian(middle) > Math.max(LEAST_RISE_MICROS, variation)
}
