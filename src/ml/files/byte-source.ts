/**
 * Bounded reads from a file by position. Nothing is allocated before the range is known to lie inside the
 * file, so a lying length cannot cost memory.
 */

import { constants, readSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { refuse } from './refuse.js'

/** One read() call moves at most this much: libuv's limit is 2^31 - 1 bytes. */
const MAX_READ = 1 << 30
/** Opening a pipe that nobody writes to would wait for ever; so opened, it is seen to be no file and refused. */
const READ_AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/**
 * Zeroed bytes for something out of a file.
 * @throws UserError where the machine has not that much in one piece: a sparse file can be larger than memory.
 */
export function allocate(path: string, bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes)
  } catch (cause) {
    throw refuse(path, `holds a piece of ${bytes} bytes, more than can be had`, {
      code: 'UNAVAILABLE',
      remedy: 'use a machine with more memory, or check where the file came from',
      cause,
    })
  }
}

export class FileSource {
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly #handle: FileHandle

  private constructor(path: string, size: number, handle: FileHandle) {
    this.path = path
    this.size = size
    this.#handle = handle
  }

  /** @throws UserError where the file is missing, unreadable or no regular file. */
  static async open(path: string): Promise<FileSource> {
    let handle: FileHandle
    try {
      handle = await open(path, READ_AT_ONCE)
    } catch (cause) {
      throw refuse(path, 'cannot be opened', {
        code: 'NOT_FOUND',
        remedy: 'check the path and its permissions',
        cause,
      })
    }
    const status = await handle.stat()
    if (status.isFile()) return new FileSource(path, status.size, handle)
    await handle.close()
    throw refuse(path, 'is not a regular file', { remedy: 'name a file' })
  }

  /** @throws UserError where the range leaves the file. */
  async read(position: number, length: number): Promise<Uint8Array> {
    this.#check(position, length)
    const target = allocate(this.path, length)
    await this.readInto(target, position)
    return target
  }

  /** Fills `target` from `position` on. @throws UserError where the file ends before. */
  async readInto(target: Uint8Array, position: number): Promise<void> {
    this.#check(position, target.length)
    let done = 0
    while (done < target.length) {
      const length = Math.min(target.length - done, MAX_READ)
      const { bytesRead } = await this.#handle.read(target, done, length, position + done)
      if (bytesRead === 0) throw refuse(this.path, 'became shorter while it was read')
      done += bytesRead
    }
  }

  /** As {@link read}, for parsers that walk byte by byte; meant for windows of some KiB. */
  readSync(position: number, length: number): Uint8Array {
    this.#check(position, length)
    const target = new Uint8Array(length)
    let done = 0
    while (done < length) {
      const count = readSync(this.#handle.fd, target, done, length - done, position + done)
      if (count === 0) throw refuse(this.path, 'became shorter while it was read')
      done += count
    }
    return target
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  #check(position: number, length: number): void {
    const inside =
      Number.isSafeInteger(position) &&
      Number.isSafeInteger(length) &&
      position >= 0 &&
      length >= 0 &&
      position + length <= this.size
    if (!inside)
      throw refuse(this.path, `truncated: ${length} bytes wanted at ${position}, the file has ${this.size}`)
  }
}
