/** What the operating system refused, as one line: a full disk or a wrong owner is no bug of ours. */
import { type ErrorCode, UserError } from '../errors.js'

const REASONS: Readonly<
  Record<string, { readonly what: string; readonly code: ErrorCode; readonly remedy: string }>
> = {
  EACCES: { what: 'permission denied', code: 'DENIED', remedy: 'check owner and mode, or run as the owner' },
  EPERM: { what: 'not permitted', code: 'DENIED', remedy: 'check owner and mode, or run as the owner' },
  ENOENT: { what: 'no such file or directory', code: 'NOT_FOUND', remedy: 'check the path' },
  ENOTDIR: { what: 'not a directory', code: 'NOT_FOUND', remedy: 'check the path' },
  EISDIR: { what: 'it is a directory', code: 'BAD_ARGUMENT', remedy: 'name a file' },
  EEXIST: { what: 'it exists', code: 'EXISTS', remedy: 'move it away, or choose another name' },
  ENOSPC: { what: 'the disk is full', code: 'UNAVAILABLE', remedy: 'make room' },
  EDQUOT: { what: 'the quota is used up', code: 'UNAVAILABLE', remedy: 'make room' },
  EFBIG: { what: 'the file would be too large', code: 'UNAVAILABLE', remedy: 'raise the limit (ulimit -f)' },
  EIO: { what: 'the device fails', code: 'UNAVAILABLE', remedy: 'check the disk' },
  EROFS: { what: 'the file system is read-only', code: 'UNAVAILABLE', remedy: 'choose another place' },
  ELOOP: { what: 'too many symbolic links', code: 'BAD_ARGUMENT', remedy: 'check the path' },
  ENAMETOOLONG: { what: 'the name is too long', code: 'BAD_ARGUMENT', remedy: 'choose a shorter one' },
  EADDRINUSE: {
    what: 'the address is in use',
    code: 'UNAVAILABLE',
    remedy: 'stop the other program, or choose another port',
  },
  EADDRNOTAVAIL: {
    what: 'this machine has no such address',
    code: 'BAD_CONFIG',
    remedy: 'check the address',
  },
}

/** The error as a user's, where the operating system is its source; otherwise unchanged. */
export function explained(error: unknown): unknown {
  if (error instanceof UserError || !(error instanceof Error) || !('code' in error)) return error
  const reason = typeof error.code === 'string' ? REASONS[error.code] : undefined
  if (reason === undefined) return error
  const { path, syscall, address, port } = error as NodeJS.ErrnoException & {
    address?: string
    port?: number
  }
  const where =
    path ?? (address === undefined ? undefined : `${address}${port === undefined ? '' : `:${port}`}`)
  return new UserError(
    `${where === undefined ? '' : `${where}: `}${reason.what} (${[error.code, syscall].filter(Boolean).join(', ')})`,
    { code: reason.code, remedy: reason.remedy, cause: error },
  )
}

/** What standard output did not take. */
export function unwritten(error: unknown): UserError {
  const known = explained(error)
  const reason = known instanceof Error ? known.message : String(known)
  return new UserError(`the result could not be written: ${reason}`, {
    code: 'UNAVAILABLE',
    remedy: (known instanceof UserError ? known.remedy : undefined) ?? 'check where standard output goes',
    cause: error,
  })
}
