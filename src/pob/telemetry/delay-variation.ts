/**
 * Delay variation of a train (RFC 3393): how the one-way delays of packets that were sent one after the other differ. The
 * send times are those at which the packets were due; a sender that hands several over at once adds its own lumps, and the
 * stamps of merged datagrams are equal. Clocks need not agree: an offset falls out of every difference.
 */
import type { Run } from '../arrival-order.js'

export interface DelayVariation {
  /** Absolute differences of neighbours, microseconds. */
  readonly medianMicros: number
  readonly p95Micros: number
  /** Mean delay of the last tenth of the packets less that of the first tenth: what the queue has grown by. */
  readonly growthMicros: number
}

const PARTS = 10

/**
 * @param arrivalMicros in the order of `runs`, one for each packet
 * @param stepMicros between two packets as they are due
 */
export function delayVariation(
  runs: readonly Run[],
  arrivalMicros: Float32Array,
  packetCount: number,
  stepMicros: number,
): DelayVariation {
  const delays = new Float64Array(packetCount).fill(Number.NaN)
  let place = 0
  for (const { first, length } of runs)
    for (let sequence = first; sequence < first + length; sequence++)
      delays[sequence] = (arrivalMicros[place++] ?? Number.NaN) - sequence * stepMicros
  const differences: number[] = []
  for (let sequence = 1; sequence < packetCount; sequence++) {
    const difference = Math.abs((delays[sequence] ?? 0) - (delays[sequence - 1] ?? 0))
    if (!Number.isNaN(difference)) differences.push(difference)
  }
  differences.sort((a, b) => a - b)
  const at = (share: number) => differences[Math.floor(share * (differences.length - 1))] ?? 0
  const part = Math.max(1, Math.floor(packetCount / PARTS))
  const growth = meanOf(delays.subarray(packetCount - part)) - meanOf(delays.subarray(0, part))
  return {
    medianMicros: at(0.5),
    p95Micros: at(0.95),
    growthMicros: Number.isNaN(growth) ? 0 : growth,
  }
}

/** Of those that arrived; NaN where none did. */
function meanOf(delays: Float64Array): number {
  let sum = 0
  let count = 0
  for (const delay of delays)
    if (!Number.isNaN(delay)) {
      sum += delay
      count++
    }
  return sum / count
}
