/** Keys that apps show to be let in: from a file that only its owner may read, or from the environment. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Stats } from 'node:fs'
import { readSecretFile } from '../../config/secret-file.js'
import { UserError } from '../../errors.js'

/** 128 bits as 22 characters of base64, rounded up: what `openssl rand -base64 24` gives is longer. */
export const LEAST_KEY_CHARACTERS = 24
const MOST_KEYS = 1000
const MOST_FILE_BYTES = 1 << 20
const READABLE_BY_OTHERS = 0o077

/** Holds digests alone: what is not kept cannot be logged. */
export class ApiKeys {
  readonly #digests: readonly Buffer[]

  /** @throws UserError BAD_CONFIG for a key that could be guessed */
  constructor(keys: readonly string[]) {
    const short = keys.findIndex((key) => key.length < LEAST_KEY_CHARACTERS)
    if (short >= 0)
      throw new UserError(`API key ${short + 1} has ${keys[short]?.length} characters`, {
        code: 'BAD_CONFIG',
        remedy: `keys have at least ${LEAST_KEY_CHARACTERS}: make one with "openssl rand -base64 32"`,
        exitStatus: 2,
      })
    if (keys.some((key) => !/^[\x21-\x7e]+$/.test(key)))
      throw new UserError('an API key holds a space or a character that no HTTP header can carry', {
        code: 'BAD_CONFIG',
        remedy: 'use letters, digits and punctuation',
        exitStatus: 2,
      })
    this.#digests = keys.map(digestOf)
  }

  get count(): number {
    return this.#digests.length
  }

  /**
   * Whether it is one of them. Digests of one length are compared in constant time, and all of them, so that the time
   * tells neither how much of a key was right nor which one.
   */
  has(key: string): boolean {
    const digest = digestOf(key)
    let found = false
    for (const known of this.#digests) found = timingSafeEqual(known, digest) || found
    return found
  }
}

const digestOf = (key: string): Buffer => createHash('sha256').update(key).digest()

/** One a line; empty lines and those that begin with # do not count. @throws UserError BAD_CONFIG, NOT_FOUND */
export async function readApiKeys(path: string): Promise<ApiKeys> {
  return parseApiKeys(await readPrivateFile(path), path)
}

/** A file of secrets. @throws UserError NOT_FOUND, and BAD_CONFIG where it is neither a file nor a pipe, others may read it, or it is too large */
export async function readPrivateFile(path: string): Promise<string> {
  const text = await readSecretFile(path, {
    refusal: { code: 'BAD_CONFIG', exitStatus: 2 },
    mostBytes: MOST_FILE_BYTES,
    check: (status) => refuseOpenToOthers(path, status),
  }).catch((cause: NodeJS.ErrnoException) => {
    if (cause instanceof UserError) throw cause
    throw new UserError(`${path} cannot be read (${cause.code ?? cause.message})`, {
      code: 'NOT_FOUND',
      remedy: 'name a file with one API key a line',
      exitStatus: 2,
      cause,
    })
  })
  if (Buffer.byteLength(text) > MOST_FILE_BYTES) throw noKeys(path, `has over ${MOST_FILE_BYTES} bytes`)
  return text
}

function refuseOpenToOthers(path: string, status: Stats): void {
  if (process.platform === 'win32' || !status.isFile() || (status.mode & READABLE_BY_OTHERS) === 0) return
  throw new UserError(`${path} may be read by others on this machine`, {
    code: 'BAD_CONFIG',
    remedy: `chmod 600 ${path}`,
    exitStatus: 2,
  })
}

/** @param source named in complaints @param separator between keys */
export function parseApiKeys(text: string, source: string, separator: RegExp = /\r?\n/): ApiKeys {
  const keys = text
    .split(separator)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (keys.length === 0) throw noKeys(source, 'holds no key')
  if (keys.length > MOST_KEYS) throw noKeys(source, `holds more than ${MOST_KEYS} keys`)
  return new ApiKeys(keys)
}

const noKeys = (source: string, what: string): UserError =>
  new UserError(`${source} ${what}`, {
    code: 'BAD_CONFIG',
    remedy: 'write one API key a line',
    exitStatus: 2,
  })
