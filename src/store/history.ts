/**
 * Finished challenges, the oldest forgotten first: a database of its own beside the store, opened for each use and closed at
 * once, so that `measure` and `history` work while a daemon holds the store.
 */
import { array, enumeration, type Infer, integer, object, optional, text } from '../crypto/cbor-schema.js'
import { Archive, TypedArchive } from './archive.js'
import type { Database } from './database.js'
import { visitDatabase } from './visit.js'

/** One challenge every half hour for a year; a record has some 300 bytes. */
const LIMITS = { maxCount: 17_520, maxBytes: 16 * 2 ** 20 }

const kbps = integer({ max: 200_000_000 })
const bytes = integer({ max: Number.MAX_SAFE_INTEGER })
const micros = integer({ max: 60_000_000 })

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
  /** Medians of the round trips; a payer alone is told them. */
  idleMicros: optional(micros),
  loadedMicros: optional(micros),
  flags: array(text({ max: 40 }), { max: 32 }),
})
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
