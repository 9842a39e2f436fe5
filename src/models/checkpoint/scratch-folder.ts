/**
 * A folder for what is written once to be mapped: weights that a runtime cannot take from their file. It goes when it is
 * closed; what a killed process left behind goes when the next one needs a folder.
 */
import { access, constants, mkdtemp, readdir, rm, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../../errors.js'

const PREFIX = 'plumbline-weights-'
const NAME = /^plumbline-weights-(\d+)-/
/** Of a process that cannot be seen from here (another container's), what it mapped stays mapped by then. */
const LEFT_BEHIND_MS = 3600_000
const MB = 1e6

/** TMPDIR where it is set; else a disk rather than memory, which /tmp often is. */
async function parentFolder(): Promise<string> {
  if (process.env.TMPDIR !== undefined || process.platform === 'win32') return tmpdir()
  const isThere = await access('/var/tmp', constants.W_OK).then(
    () => true,
    () => false,
  )
  return isThere ? '/var/tmp' : tmpdir()
}

/**
 * @param bytes that are going to be written
 * @param parent where it is made; as {@link parentFolder} says unless given
 * @throws UserError UNAVAILABLE with have and need where there is no room for them
 */
export async function makeScratchFolder(bytes: number, parent?: string): Promise<string> {
  const within = parent ?? (await parentFolder())
  await sweep(within)
  const { bavail, bsize } = await statfs(within)
  const have = bavail * bsize
  if (have < bytes) throw noRoom(within, have, bytes)
  return mkdtemp(join(within, `${PREFIX}${process.pid}-`))
}

export function noRoom(folder: string, haveBytes: number, needBytes: number): UserError {
  const mb = (bytes: number): string => `${(bytes / MB).toFixed(0)} MB`
  return new UserError(
    `${folder} has no room for the weights: have ${mb(haveBytes)}, need ${mb(needBytes)}`,
    {
      code: 'UNAVAILABLE',
      remedy:
        'free some, set TMPDIR to a folder with more, or use a model.safetensors, which is read in place',
      details: { haveBytes, needBytes },
    },
  )
}

/** Removes folders whose process is gone; what cannot be removed is somebody else's. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = Number(NAME.exec(name)?.[1] ?? Number.NaN)
    if (Number.isNaN(pid) || isRunning(pid)) continue
    const path = join(folder, name)
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
    if (Date.now() - mtimeMs < LEFT_BEHIND_MS) continue
    await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
