/**
 * The level database under the store: opening with a kind word where another process has it, the schema version and
 * its migrations. Un-synced writes survive a killed process but not a power cut, so everything that forbids a second
 * act (single-use ids, sign-once locks) is written with {@link SYNCED}.
 */
import { mkdir, statfs } from 'node:fs/promises'
import { Level } from 'level'
import { UserError } from '../errors.js'

export type Database = Level<string, Uint8Array>
type SublevelOf = ReturnType<typeof makeSublevel>
export type Sublevel = SublevelOf
export type BatchOperation =
  | { readonly type: 'put'; readonly sublevel: Sublevel; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly sublevel: Sublevel; readonly key: string }

/** fsync before the promise resolves: 0.3 ms here, some 5 ms on a spinning disk. */
const SYNCED: { sync: true; keyEncoding: 'utf8' } = { sync: true, keyEncoding: 'utf8' }

/** Layout of this version; raise it together with a migration. */
export const SCHEMA_VERSION = 1
const VERSION_KEY = 'schema-version'

export interface Migration {
  /** The version this leads to; it runs on a database of the version before. */
  readonly to: number
  run(database: Database): Promise<void>
}
/** In order. None yet: version 1 is the first. */
export const MIGRATIONS: readonly Migration[] = []

/**
 * LevelDB has 4 MiB, of which it holds two while one is written out, and 8 MiB of what it read: a node that writes 2 KB a job would
 * grow by all of that in its first hours. What is asked for often lies in memory already.
 */
const WRITE_BUFFER_BYTES = 512 * 1024
const READ_CACHE_BYTES = 1024 * 1024

export interface OpenOptions {
  readonly schemaVersion?: number
  readonly migrations?: readonly Migration[]
  /** What is written is in memory, too, until it is so much; {@link WRITE_BUFFER_BYTES} unless given. */
  readonly writeBufferBytes?: number
}

/** Of each database: closed with it, and not opened with it. */
const parts = new WeakMap<Database, Set<SublevelOf>>()
const owners = new WeakMap<SublevelOf, Database>()

const makeSublevel = (database: Database, name: string) =>
  database.sublevel<string, Uint8Array>(name, { keyEncoding: 'utf8', valueEncoding: 'view' })

export function sublevel(database: Database, name: string): SublevelOf {
  const part = makeSublevel(database, name)
  const all = parts.get(database) ?? new Set()
  parts.set(database, all.add(part))
  owners.set(part, database)
  return part
}

/** Databases of which a write failed, and the opening anew that is under way. */
const suspects = new WeakMap<Database, Promise<void> | undefined>()
/** What a new log and the old one's content take, and some to spare. */
const ROOM_BYTES = 256 * 1024

/**
 * Writes all or nothing, on the disk before it resolves. After a write that the disk refused, as a full one does, LevelDB goes on
 * behind half a record: it acknowledges what it will not find again. So the log is begun anew before the next write, and until
 * there is room for that nothing is written.
 */
export async function writeSynced(database: Database, operations: readonly BatchOperation[]): Promise<void> {
  if (suspects.has(database)) await openAnew(database)
  try {
    await database.batch([...operations], SYNCED)
  } catch (error) {
    if (codeOf(error) === 'LEVEL_IO_ERROR' && !suspects.has(database)) suspects.set(database, undefined)
    throw error
  }
  // It may stand behind one that failed meanwhile.
  if (suspects.has(database))
    throw Object.assign(new Error('the write before this one failed'), { code: 'EIO' })
}

function openAnew(database: Database): Promise<void> {
  const underWay = suspects.get(database)
  if (underWay !== undefined) return underWay
  const opening = tryOpenAnew(database).then(
    () => {
      suspects.delete(database)
    },
    (error: unknown) => {
      suspects.set(database, undefined)
      throw error
    },
  )
  suspects.set(database, opening)
  return opening
}

async function tryOpenAnew(database: Database): Promise<void> {
  const { bavail, bsize } = await statfs(database.location)
  // It stays open for reading meanwhile.
  if (bavail * bsize < ROOM_BYTES)
    throw Object.assign(new Error('no space left for the store'), { code: 'ENOSPC' })
  await database.close()
  await database.open()
  for (const part of parts.get(database) ?? []) await part.open()
}

/** A value as a plain Uint8Array, not a Buffer. */
export async function read(from: Sublevel, key: string): Promise<Uint8Array | undefined> {
  const database = owners.get(from)
  // Closed to be opened anew: now, or as soon as that succeeds.
  if (database !== undefined && database.status !== 'open' && suspects.has(database)) await openAnew(database)
  const value = await from.get(key)
  return value === undefined ? undefined : new Uint8Array(value)
}

/**
 * Opens or creates the database and brings its schema up to date.
 * @throws UserError LOCKED where another process has it; UNAVAILABLE where it is damaged, was written by a newer
 *   version, or cannot be written.
 */
export async function openDatabase(directory: string, options: OpenOptions = {}): Promise<Database> {
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw unavailable(directory, cause, codeOf(cause) === 'ENOSPC')
  })
  const database: Database = new Level<string, Uint8Array>(directory, {
    valueEncoding: 'view',
    writeBufferSize: options.writeBufferBytes ?? WRITE_BUFFER_BYTES,
    cacheSize: READ_CACHE_BYTES,
  })
  try {
    await database.open()
  } catch (cause) {
    if (codeOf(cause) === 'LEVEL_LOCKED')
      throw new UserError(`another process uses ${directory}`, {
        code: 'LOCKED',
        remedy: 'stop the other plumbline, or give this one its own --data-dir',
        cause,
      })
    throw unavailable(directory, cause, await isForWantOfRoom(directory, cause))
  }
  try {
    await migrate(database, directory, options)
  } catch (cause) {
    await database.close()
    if (await isForWantOfRoom(directory, cause)) throw unavailable(directory, cause, true)
    throw cause
  }
  return database
}

async function migrate(database: Database, directory: string, options: OpenOptions): Promise<void> {
  const target = options.schemaVersion ?? SCHEMA_VERSION
  const meta = sublevel(database, 'meta')
  const stored = await read(meta, VERSION_KEY)
  const put = (version: number): Promise<void> =>
    writeSynced(database, [
      { type: 'put', sublevel: meta, key: VERSION_KEY, value: new TextEncoder().encode(String(version)) },
    ])
  if (stored === undefined) return put(target)
  const version = Number(new TextDecoder().decode(stored))
  if (!Number.isSafeInteger(version) || version > target)
    throw new UserError(
      `${directory} was written by a newer plumbline (schema ${version}, this one knows ${target})`,
      {
        code: 'UNAVAILABLE',
        remedy: 'upgrade plumbline, or use another data directory',
      },
    )
  for (const migration of options.migrations ?? MIGRATIONS) {
    if (migration.to <= version || migration.to > target) continue
    await migration.run(database)
    await put(migration.to)
  }
}

/** The code of an error or of the one that caused it: level wraps what the disk said. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return codeOf(error.cause) ?? ('code' in error ? String(error.code) : undefined)
}

/** LevelDB has one code for all that the disk refuses. */
async function isForWantOfRoom(directory: string, cause: unknown): Promise<boolean> {
  if (codeOf(cause) !== 'LEVEL_IO_ERROR') return false
  return statfs(directory).then(
    ({ bavail, bsize }) => bavail * bsize < ROOM_BYTES,
    () => false,
  )
}

function unavailable(directory: string, cause: unknown, isFull: boolean): UserError {
  if (isFull)
    return new UserError(`cannot open the store at ${directory}: the disk is full`, {
      code: 'UNAVAILABLE',
      remedy: 'make room',
      cause,
    })
  const damaged = codeOf(cause) === 'LEVEL_CORRUPTION'
  return new UserError(
    `cannot open the store at ${directory}${damaged ? ': it is damaged' : ` (${codeOf(cause) ?? 'unknown reason'})`}`,
    {
      code: 'UNAVAILABLE',
      remedy: damaged
        ? 'move it away; keys and transcripts outside it are not affected'
        : 'check its owner and mode',
      details: { isDamaged: damaged },
      cause,
    },
  )
}
