/** Files of secrets: opened without waiting for a writer, which no signal would end, and read whole as far as they may go. */
import { constants, type Stats } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, UserError } from '../errors.js'

/** Windows has no such flag. */
const READ_AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
/** A shell's `<(pass show node)` asks a person for a password at times. */
const PIPE_MS = 60_000
const AGAIN_MS = 50

export interface SecretFileOptions {
  /** Of what is neither a file nor a pipe. */
  readonly refusal: { readonly code: ErrorCode; readonly exitStatus?: 2 }
  readonly mostBytes: number
  /** Before anything is read; what it throws refuses that. */
  readonly check?: (status: Stats) => void
  /** What a pipe's writer may take; a minute unless given. */
  readonly pipeMs?: number
}

/**
 * A file, or what a pipe's writer writes until it ends: nothing, where there is no writer.
 * @returns one byte more than there may be where there is more
 * @throws UserError as the refusal, for a device or a directory, and TIMEOUT; as `open` and `read`
 */
export async function readSecretFile(
  path: string,
  { refusal, mostBytes, check, pipeMs = PIPE_MS }: SecretFileOptions,
): Promise<string> {
  const file = await open(path, READ_AT_ONCE)
  try {
    const status = await file.stat()
    if (!status.isFile() && !status.isFIFO())
      throw new UserError(`${path} is no file`, {
        ...refusal,
        remedy: 'secrets are read from a file that only its owner may read, or from a pipe',
      })
    check?.(status)
    const bytes = Buffer.alloc(mostBytes + 1)
    const endMs = performance.now() + pipeMs
    for (let length = 0; ; ) {
      const read = await file.read(bytes, length, bytes.length - length).catch((error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return undefined
        throw error
      })
      length += read?.bytesRead ?? 0
      if (read?.bytesRead === 0 || length === bytes.length) return bytes.toString('utf8', 0, length)
      if (read !== undefined) continue
      if (performance.now() > endMs)
        throw new UserError(`${path}: nobody ends what is written to this pipe`, {
          code: 'TIMEOUT',
          remedy: 'write the secret into a file that only its owner may read',
        })
      await sleep(AGAIN_MS)
    }
  } finally {
    await file.close()
  }
}
