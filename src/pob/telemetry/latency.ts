/**
 * Working latency: round-trip times on the idle and on the loaded path, and what they say together. Telemetry: the prover
 * times its own probes, so nothing here is guaranteed.
 *
 * RPM follows draft-ietf-ippm-responsiveness (60,000 over a mean response time in ms that leaves out everything above the
 * 95th percentile), and differs from it in four things: one response time stands for its four (a UDP echo, no TCP, TLS or
 * HTTP exchange, so that it reads higher); the load is UDP at 1.2 times the claim instead of a growing number of TCP flows;
 * it lasts for a slot instead of until the goodput is stable, so that queues deeper than a slot fills are seen in part, which is
 * told ({@link isStillRising}); and it goes in one direction.
 */
import { quantile, upperMedian } from '../aggregate/statistics.js'
import { isStillRising } from './rising.js'

/** Round-trip times of one member's probes in the order in which they were sent, microseconds; 0 for one that was lost. */
export interface MemberProbes {
  readonly idleMicros: readonly number[]
  /** One list for each slot in which it sent. */
  readonly loadedMicros: readonly (readonly number[])[]
}

export interface RoundTrips {
  readonly samples: number
  readonly lossPct: number
  readonly minMs: number
  readonly medianMs: number
  readonly p95Ms: number
  /** Mean absolute difference of consecutive round trips of a member in one slot (RFC 3393's selection, both ways at once). */
  readonly variationMs: number
}

export const BUFFERBLOAT_GRADES = ['A+', 'A', 'B', 'C', 'D', 'F'] as const
export type BufferbloatGrade = (typeof BUFFERBLOAT_GRADES)[number]

export interface WorkingLatency {
  /** Null where no probe came back. */
  readonly idle: RoundTrips | null
  readonly loaded: RoundTrips | null
  /** Loaded less idle, by member; the median of the members. */
  readonly increaseMs: number | null
  readonly grade: BufferbloatGrade | null
  /** Round trips a minute under load. */
  readonly rpm: number | null
  /**
   * The queue still grew when the slots ended, so that its depth was not seen: the increase is at least, grade and RPM at best
   * as they stand. Null where too few probes came back to tell.
   */
  readonly isStillRising: boolean | null
}

/** Upper ends of the added latency in ms for each grade but the last, as the tests of DSLReports and Waveform have them. */
const GRADE_LIMITS_MS = [5, 30, 60, 200, 400] as const
const TRIM_QUANTILE = 0.95
const MS_A_MINUTE = 60_000

const toMs = (micros: number): number => Math.round(micros) / 1000
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
const answered = (rtts: readonly number[]): number[] => rtts.filter((rtt) => rtt > 0)

export function bufferbloatGrade(increaseMs: number): BufferbloatGrade {
  const place = GRADE_LIMITS_MS.findIndex((limit) => increaseMs < limit)
  return BUFFERBLOAT_GRADES[place < 0 ? GRADE_LIMITS_MS.length : place] ?? 'F'
}

/** The mean of what is not above the 95th percentile. @throws RangeError where there are no values */
export function trimmedMean(values: readonly number[]): number {
  const limit = quantile(values, TRIM_QUANTILE)
  return mean(values.filter((value) => value <= limit))
}

/** Differences of neighbours that both came back. */
function variations(rtts: readonly number[]): number[] {
  return rtts.flatMap((rtt, i) => {
    const before = rtts[i - 1] ?? 0
    return rtt > 0 && before > 0 ? [Math.abs(rtt - before)] : []
  })
}

export function roundTrips(runs: readonly (readonly number[])[]): RoundTrips | null {
  const sent = runs.reduce((sum, run) => sum + run.length, 0)
  const rtts = runs.flatMap(answered)
  if (rtts.length === 0) return null
  return {
    samples: rtts.length,
    lossPct: Math.round((10_000 * (sent - rtts.length)) / sent) / 100,
    minMs: toMs(rtts.reduce((least, rtt) => Math.min(least, rtt))),
    medianMs: toMs(upperMedian(rtts)),
    p95Ms: toMs(quantile(rtts, TRIM_QUANTILE)),
    variationMs: toMs(mean(runs.flatMap(variations))),
  }
}

export function workingLatency(members: readonly MemberProbes[]): WorkingLatency {
  const loaded = members.flatMap(({ loadedMicros }) => answered(loadedMicros.flat()))
  // Members are near and far: each is compared with itself.
  const increases = members.flatMap(({ idleMicros, loadedMicros }) => {
    const [before, during] = [answered(idleMicros), answered(loadedMicros.flat())]
    return before.length === 0 || during.length === 0 ? [] : [upperMedian(during) - upperMedian(before)]
  })
  const increaseMs = increases.length === 0 ? null : toMs(Math.max(0, upperMedian(increases)))
  return {
    idle: roundTrips(members.map(({ idleMicros }) => idleMicros)),
    loaded: roundTrips(members.flatMap(({ loadedMicros }) => loadedMicros)),
    increaseMs,
    grade: increaseMs === null ? null : bufferbloatGrade(increaseMs),
    rpm: loaded.length === 0 ? null : Math.round(MS_A_MINUTE / (trimmedMean(loaded) / 1000)),
    isStillRising: isStillRising(members),
  }
}
