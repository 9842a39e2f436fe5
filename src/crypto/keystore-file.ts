/**
 * Key files on disk: mode 0600, written whole or not at all, flushed to the disk, and never overwritten.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { UserError } from '../errors.js'
import type { Identity } from './identity.js'
import { decryptKeystore, type EncryptOptions, encryptKeystore } from './keystore.js'
import { KEYSTORE_MAX_BYTES, type KeystoreV3 } from './keystore-schema.js'

/** To open a pipe that nobody writes to would wait, and no signal ends that. */
const READ_AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/**
 * Writes a key file that did not exist. The text goes to a temporary file of its own, is flushed, and then gets its
 * name by `link`, which fails where the name is taken: a crash leaves either no key file or a whole one.
 * @throws UserError EXISTS where `path` is taken, whatever it holds.
 */
export async function writeKeystoreFile(path: string, keystore: KeystoreV3): Promise<void> {
  const directory = dirname(path)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    try {
      await handle.writeFile(`${JSON.stringify(keystore, null, 2)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await link(temporary, path)
  } catch (cause) {
    if (isErrno(cause, 'EEXIST'))
      throw new UserError(`${path} exists; a key is never overwritten`, {
        code: 'EXISTS',
        remedy: 'move it away first, or choose another data directory',
      })
    throw cause
  } finally {
    await unlink(temporary)
  }
  await syncDirectory(directory)
}

/** Encrypts `identity` and writes it: see {@link writeKeystoreFile}. */
export async function saveIdentity(
  path: string,
  identity: Identity,
  passphrase: string,
  options: EncryptOptions = {},
): Promise<void> {
  // Ask before a second of scrypt; the write checks again, atomically.
  if (await exists(path))
    throw new UserError(`${path} exists; a key is never overwritten`, {
      code: 'EXISTS',
      remedy: 'move it away first, or choose another data directory',
    })
  await writeKeystoreFile(path, await encryptKeystore(identity, passphrase, options))
}

/**
 * Reads and decrypts a key file.
 * @throws UserError NOT_FOUND where there is none; BAD_KEY for wrong contents, a wrong passphrase, or a file that
 *   other users of the machine may read.
 */
export async function loadIdentity(path: string, passphrase: string): Promise<Identity> {
  return decryptKeystore(await readKeystoreText(path), passphrase)
}

/** The text of a key file after checks of size and mode. @throws UserError as {@link loadIdentity} */
export async function readKeystoreText(path: string): Promise<string> {
  const handle = await open(path, READ_AT_ONCE).catch((cause: unknown) => {
    if (isErrno(cause, 'ENOENT'))
      throw new UserError(`no key file at ${path}`, {
        code: 'NOT_FOUND',
        remedy: 'run "plumbline init" first',
        cause,
      })
    if (isErrno(cause, 'EACCES'))
      throw new UserError(`the key file ${path} cannot be read by this user`, {
        code: 'BAD_KEY',
        remedy: 'run as the user who made it, or give it to this one with chown',
        cause,
      })
    throw cause
  })
  try {
    const status = await handle.stat()
    const { mode, size } = status
    if (!status.isFile()) throw new UserError(`${path} is not a file`, { code: 'BAD_KEY' })
    // Windows has no such modes and reports 0666 for every file.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw new UserError(
        `the key file ${path} is open to other users (mode ${(mode & 0o777).toString(8)})`,
        {
          code: 'BAD_KEY',
          remedy: `run "chmod 600 ${path}"`,
        },
      )
    if (size > KEYSTORE_MAX_BYTES)
      throw new UserError(`${path} is too large for a key file (${size} bytes)`, { code: 'BAD_KEY' })
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** Makes a new directory entry survive a power cut; a no-op where directories cannot be opened (Windows). */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
