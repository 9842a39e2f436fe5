/** The key's passphrase from the environment or a file; the prompt is the CLI's. Never logged, never in an error. */
import type { Stats } from 'node:fs'
import { UserError } from '../errors.js'
import { expandPath } from './paths.js'
import { readSecretFile } from './secret-file.js'

/** Far beyond any passphrase: what is longer is the wrong file. */
const MAX_BYTES = 4096
/** Any right of group or world. */
const OTHERS = 0o077

/**
 * `PLUMBLINE_PASSPHRASE`, or the first line of the file that `PLUMBLINE_PASSPHRASE_FILE` names; undefined where
 * neither is set, and then a person must be asked.
 * @throws UserError NOT_FOUND or BAD_KEY for a file that is missing, unreadable, neither a file nor a pipe, too long or empty.
 */
export async function passphraseFromEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string | undefined> {
  if (env.PLUMBLINE_PASSPHRASE !== undefined) return env.PLUMBLINE_PASSPHRASE
  return env.PLUMBLINE_PASSPHRASE_FILE === undefined
    ? undefined
    : readPassphraseFile(env.PLUMBLINE_PASSPHRASE_FILE)
}

/**
 * The first line of a passphrase file, without its line end. As ssh has it: a file of ours that others may read is refused; one
 * that belongs to somebody else (a mounted secret) is theirs to protect. @throws UserError as above
 */
export async function readPassphraseFile(path: string): Promise<string> {
  const full = expandPath(path)
  const text = await readSecretFile(full, {
    refusal: { code: 'BAD_KEY' },
    mostBytes: MAX_BYTES,
    check: (status) => refuseOpenToOthers(full, status),
  }).catch((cause: unknown) => {
    throw cause instanceof UserError ? cause : unreadable(full, cause)
  })
  const line = text.split(/\r?\n/, 1)[0] ?? ''
  if (line === '' || text.length > MAX_BYTES)
    throw new UserError(
      `the passphrase file ${full} ${line === '' ? 'has an empty first line' : 'is too long'}`,
      {
        code: 'BAD_KEY',
        remedy: 'put the passphrase on its first line',
      },
    )
  return line
}

function unreadable(path: string, cause: unknown): UserError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'EIO'
  return new UserError(`cannot read the passphrase file ${path} (${code})`, {
    code: code === 'ENOENT' ? 'NOT_FOUND' : 'BAD_KEY',
    remedy: 'check its path, owner and mode',
  })
}

/** Windows has no such modes, and no uid. */
function refuseOpenToOthers(path: string, status: Stats): void {
  const { uid, mode } = status
  if (!status.isFile()) return
  if (process.getuid?.() !== uid || (mode & OTHERS) === 0) return
  throw new UserError(
    `the passphrase file ${path} has mode ${(mode & 0o777).toString(8).padStart(4, '0')}: others can read it`,
    { code: 'BAD_KEY', remedy: `chmod 600 ${path}` },
  )
}
