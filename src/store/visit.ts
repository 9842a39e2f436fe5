/** A database that several processes share: opened for each use and closed at once. */
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../errors.js'
import { type Database, openDatabase } from './database.js'

/** Whoever else has it open writes one record and leaves. */
const LOCK_PATIENCE_MS = 5_000
const LOCK_RETRY_MS = 50

/** @throws UserError LOCKED, UNAVAILABLE */
export async function visitDatabase<T>(
  directory: string,
  use: (database: Database) => Promise<T>,
): Promise<T> {
  const database = await openPatiently(directory)
  try {
    return await use(database)
  } finally {
    await database.close()
  }
}

async function openPatiently(directory: string): Promise<Database> {
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
