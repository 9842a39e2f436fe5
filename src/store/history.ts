/**
 * Finished challenges, the oldest forgotten first: a database of its own beside the store, opened for each use and closed at
 * once, so that `measure` and `history` work while a daemon holds the store.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { array, enumeration, type Infer, integer, object, optional, text } from '../crypto/cbor-schema.js'
import { UserError } from '../errors.js'
import { Archive, TypedArchive } from './archive.js'
import { openDatabase } from './database.js'

/** One challenge every half hour for a year; a record has some 300 bytes. */
const LIMITS = { maxCount: 17_520, maxBytes: 16 * 2 ** 20 }
/** Whoever else has it open writes one record and leaves. */
const LOCK_PATIENCE_MS = 5_000
const LOCK_RETRY_MS = 50

const kbps = integer({ max: 200_000_000 })
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
  /** Layer-3 bytes that the challengers sent. */
  bytes: integer({ max: Number.MAX_SAFE_INTEGER }),
  /** Medians of the round trips; a payer alone is told them. */
  idleMicros: optional(micros),
  loadedMicros: optional(micros),
  flags: array(text({ max: 40 }), { max: 32 }),
})
export type HistoryRecord = Infer<typeof historyRecord>

/** Appends a record; the same challenge in the same role is replaced. @throws UserError LOCKED, UNAVAILABLE */
export function appendHistory(directory: string, record: HistoryRecord): Promise<void> {
  return withHistory(directory, (history) => history.put(`${record.role}/${record.challengeId}`, record))
}

/** Oldest first. @throws UserError LOCKED, UNAVAILABLE */
export function readHistory(directory: string): Promise<readonly HistoryRecord[]> {
  return withHistory(directory, async (history) => {
    const records = await history.list()
    return [...records].sort((a, b) => a.finishedAtMs - b.finishedAtMs)
  })
}

async function withHistory<T>(
  directory: string,
  use: (history: TypedArchive<HistoryRecord>) => Promise<T>,
): Promise<T> {
  const database = await openPatiently(directory)
  try {
    return await use(
      new TypedArchive(await Archive.open(database, 'history', LIMITS), 'history', historyRecord),
    )
  } finally {
    await database.close()
  }
}

async function openPatiently(directory: string) {
  const until = performance.now() + LOCK_PATIENCE_MS
  for (;;)
    try {
      return await openDatabase(directory)
    } catch (error) {
      const isBusy = error instanceof UserError && error.code === 'LOCKED'
      if (!isBusy || performance.now() >= until) throw error
      await sleep(LOCK_RETRY_MS)
    }
}
