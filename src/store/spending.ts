/**
 * Bytes that this node's own measurements moved, by calendar month, beside the history. The most that one may move is counted
 * before it starts and what it did not move is given back when it has ended: one that is killed in between has moved all of it.
 */
import type { Database } from './database.js'
import { historyIn } from './history.js'
import { UsageCounters } from './usage.js'
import { visitDatabase } from './visit.js'

export interface SpendingMonth {
  /** `2026-03` */
  readonly month: string
  /** Whether a moment (Unix ms) lies in it: months begin where the operator's bills do. */
  readonly holds: (ms: number) => boolean
}

export interface Reservation {
  readonly bytes: number
  /** Of the month; without one everything fits. */
  readonly capBytes?: number
}

/** @throws UserError LOCKED, UNAVAILABLE */
export function spentBytes(directory: string, month: SpendingMonth): Promise<number> {
  return visitDatabase(directory, (database) => spentIn(database, month))
}

/** Counts the bytes where they fit under the cap. @returns undefined where they do, else what was counted before */
export function reserveBytes(
  directory: string,
  month: SpendingMonth,
  { bytes, capBytes }: Reservation,
): Promise<{ readonly usedBytes: number } | undefined> {
  return visitDatabase(directory, async (database) => {
    const usedBytes = capBytes === undefined ? 0 : await spentIn(database, month)
    if (capBytes !== undefined && usedBytes + bytes > capBytes) return { usedBytes }
    await new UsageCounters(database).add(month.month, bytes)
    return undefined
  })
}

/** Puts what was moved in the place of what was reserved. */
export function settleBytes(
  directory: string,
  month: SpendingMonth,
  { reservedBytes, bytes }: { readonly reservedBytes: number; readonly bytes: number },
): Promise<void> {
  return visitDatabase(directory, (database) =>
    new UsageCounters(database).replace(month.month, reservedBytes, bytes),
  )
}

/** Records of before these counters know of the trains in their evidence alone, and are in no counter. */
async function spentIn(database: Database, { month, holds }: SpendingMonth): Promise<number> {
  const records = await (await historyIn(database)).list()
  const uncounted = records.filter(
    ({ role, trafficBytes, finishedAtMs }) =>
      role === 'payer' && trafficBytes === undefined && holds(finishedAtMs),
  )
  const counted = await new UsageCounters(database).get(month)
  return uncounted.reduce((sum, { bytes }) => sum + bytes, counted)
}
