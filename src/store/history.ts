/**
 * Finished challenges, the oldest forgotten first: a database of its own beside the store, opened for each use and closed at
 * once, so that `measure` and `history` work while a daemon holds the store.
 */
import {
  array,
  boolean,
  enumeration,
  type Infer,
  integer,
  object,
  optional,
  text,
} from '../crypto/cbor-schema.js'
import { Archive, TypedArchive } from './archive.js'
import type { Database } from './database.js'
import { visitDatabase } from './visit.js'

/** One challenge every half hour for a year; a record has some 600 bytes. */
const LIMITS = { maxCount: 17_520, maxBytes: 16 * 2 ** 20 }

const kbps = integer({ max: 200_000_000 })
const bytes = integer({ max: Number.MAX_SAFE_INTEGER })
const micros = integer({ max: 60_000_000 })
const ppm = integer({ max: 1_000_000 })

export const historyRecord = object({
  /** Hex. */
  challengeId: text({ min: 64, max: 64 }),
  finishedAtMs: integer({ max: 253_402_300_799_999 }),
  /** What this node was in it. */
  role: enumeration('payer', 'prover', 'challenger'),
  /** Peer ids. */
  prover: text({ min: 1, max: 80 }),
  payer: text({ min: 1, max: 80 }),
  direction: enumeration('down', 'up'),
  profile: enumeration('quick', 'standard', 'strict', 'published'),
  claimKbps: kbps,
  estimateKbps: kbps,
  guaranteedKbps: kbps,
  /** Layer-3 bytes of the trains in the evidence. */
  bytes,
  /** Most layer-3 bytes that it moved in all; a payer alone knows them, and older records lack them. */
  trafficBytes: optional(bytes),
  tauMicros: optional(micros),
  /** Medians of the round trips; payer and prover alone are told them. */
  idleMicros: optional(micros),
  loadedMicros: optional(micros),
  /** Of the probes. */
  idleLossPpm: optional(ppm),
  loadedLossPpm: optional(ppm),
  increaseMicros: optional(micros),
  grade: optional(enumeration('A+', 'A', 'B', 'C', 'D', 'F')),
  rpm: optional(integer({ max: 60_000_000 })),
  /** The queue still grew when the slots ended: grade and RPM are at best so. */
  isStillRising: optional(boolean),
  /** Of the trains; what is offered above the link's rate is lost as well. */
  lossPpm: optional(ppm),
  variationMicros: optional(micros),
  variationP95Micros: optional(micros),
  reorderedPpm: optional(ppm),
  /** Places. */
  reorderExtent: optional(integer({ max: 12_000_000 })),
  /** Beside other traffic, where it was looked for; limited: there may be more. */
  availableKbps: optional(kbps),
  isAvailableLimited: optional(boolean),
  /** Measured at the same moments as other provers: what is said of all of them together. */
  joint: optional(
    object({
      provers: integer({ min: 2, max: 64 }),
      verdict: enumeration('separate', 'shared', 'unclear'),
      estimateKbps: kbps,
      guaranteedKbps: kbps,
      creditKbps: kbps,
    }),
  ),
  flags: array(text({ max: 40 }), { max: 32 }),
})
export type JointRecord = NonNullable<HistoryRecord['joint']>
export type HistoryRecord = Infer<typeof historyRecord>

/** Appends a record; the same challenge in the same role is replaced. @throws UserError LOCKED, UNAVAILABLE */
export function appendHistory(directory: string, record: HistoryRecord): Promise<void> {
  return visitDatabase(directory, async (database) =>
    (await historyIn(database)).put(`${record.role}/${record.challengeId}`, record),
  )
}

/** Oldest first. @throws UserError LOCKED, UNAVAILABLE */
export function readHistory(directory: string): Promise<readonly HistoryRecord[]> {
  return visitDatabase(directory, async (database) => {
    const records = await (await historyIn(database)).list()
    return [...records].sort((a, b) => a.finishedAtMs - b.finishedAtMs)
  })
}

/** The history in an open database. */
export async function historyIn(database: Database): Promise<TypedArchive<HistoryRecord>> {
  return new TypedArchive(await Archive.open(database, 'history', LIMITS), 'history', historyRecord)
}
