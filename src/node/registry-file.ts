/** The registry snapshot on disk, read again when its file changes, so that a daemon follows its publisher. */
import { readFileSync, statSync } from 'node:fs'
import { dataPaths, expandPath } from '../config/paths.js'
import type { Config } from '../config/schema.js'
import { addressOfPublicKey } from '../crypto/address.js'
import { peerIdOfPublicKey } from '../crypto/peer-id.js'
import { UserError } from '../errors.js'
import { parseRegistry, type Registry } from '../pob/registry.js'
import type { Logger } from '../telemetry/logger.js'

/** 100,000 entries of 400 bytes. */
const MAX_FILE_BYTES = 64 * 1024 * 1024

export function registryPath(config: Config): string {
  return config.registry.path === undefined
    ? dataPaths(config.dataDir).registry
    : expandPath(config.registry.path)
}

/** The address of the key that signed a registry; undefined where it was built here. */
export function publisherOf({ publisher }: Registry): string | undefined {
  return publisher === undefined ? undefined : addressOfPublicKey(publisher)
}

/**
 * @param publisher whose registry alone is taken: a peer id or a checksummed address
 * @throws UserError NOT_FOUND; BAD_CONFIG where it is malformed, or signed by another key than the publisher's
 */
export function readRegistryFile(path: string, publisher?: string): Registry {
  const registry = readUnjudged(path)
  const names =
    registry.publisher === undefined
      ? []
      : [peerIdOfPublicKey(registry.publisher), addressOfPublicKey(registry.publisher)]
  if (publisher !== undefined && !names.includes(publisher))
    throw new UserError(
      `the registry at ${path} is signed by ${publisherOf(registry) ?? 'nobody'}, not by ${publisher}`,
      { code: 'BAD_CONFIG', remedy: 'get a copy of the right publisher, or change registry.publisher' },
    )
  return registry
}

function readUnjudged(path: string): Registry {
  try {
    const { size } = statSync(path)
    if (size > MAX_FILE_BYTES)
      throw new UserError(`the registry file ${path} has ${size} bytes`, {
        code: 'BAD_CONFIG',
        remedy: `give one of at most ${MAX_FILE_BYTES}`,
      })
    return parseRegistry(readFileSync(path, 'utf8'))
  } catch (error) {
    // Only a file that is missing is said to be: one that may not be read is the system's refusal, and told as that.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    throw new UserError(`there is no registry at ${path}`, {
      code: 'NOT_FOUND',
      remedy:
        "get the network's registry file and name it with registry.path, or make one: plumbline registry sign",
      cause: error,
    })
  }
}

/** A registry that follows its file. */
export class RegistryFile {
  #current: Registry
  #readMs: number

  constructor(
    readonly path: string,
    readonly log: Logger,
    readonly publisher?: string,
  ) {
    this.#readMs = modifiedMs(path)
    this.#current = readRegistryFile(path, publisher)
  }

  /** The newest acceptable snapshot; a broken or foreign newer file is reported and the old one kept. */
  current(): Registry {
    const modified = modifiedMs(this.path)
    if (modified !== this.#readMs) {
      this.#readMs = modified
      try {
        this.#current = readRegistryFile(this.path, this.publisher)
        const { entries } = this.#current
        this.log.info(
          { path: this.path, entries: entries.length, publisher: publisherOf(this.#current) },
          'registry read again',
        )
      } catch (error) {
        this.log.error(
          { path: this.path, reason: error instanceof Error ? error.message : String(error) },
          'the new registry is refused; the old one stays',
        )
      }
    }
    return this.#current
  }
}

function modifiedMs(path: string): number {
  try {
    return statSync(path).mtimeMs
  } catch {
    return 0
  }
}
