/** The monthly data budget of a prover. Pure: the time and the usage so far are handed in. */

const BYTES_A_GIB = 1024 ** 3

/** The calendar month of a moment in local time, as bills count: `2026-03`. */
export function monthKey(now: Date): string {
  return `${now.getFullYear()}-${String(now.getMonth() + 1).padStart(2, '0')}`
}

export interface DataCap {
  /** undefined: no cap. */
  readonly capGiBPerMonth: number | undefined
  /** What this month's challenges used, both directions. */
  readonly usedBytes: number
}

/** Bytes left this month, at least 0; Infinity without a cap. */
export function remainingBytes({ capGiBPerMonth, usedBytes }: DataCap): number {
  if (capGiBPerMonth === undefined) return Number.POSITIVE_INFINITY
  return Math.max(0, Math.floor(capGiBPerMonth * BYTES_A_GIB) - usedBytes)
}

/** Whether a challenge that may move up to `maxBytes` still fits. */
export function fitsDataCap(cap: DataCap, maxBytes: number): boolean {
  return maxBytes <= remainingBytes(cap)
}
