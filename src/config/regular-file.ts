/** Files of secrets: opened without waiting for a writer, and refused where they are something else than files. */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { type ErrorCode, UserError } from '../errors.js'

/** To open a pipe that nobody writes to would wait, and no signal ends that. Windows has no such flag. */
const READ_AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/** @throws UserError for a pipe, a device or a directory; as `open` */
export async function openRegular(
  path: string,
  refusal: { readonly code: ErrorCode; readonly exitStatus?: 2 },
): Promise<FileHandle> {
  const file = await open(path, READ_AT_ONCE)
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw new UserError(`${path} is no regular file`, {
    ...refusal,
    remedy: 'secrets are read from a file that only its owner may read: write them into one',
  })
}
