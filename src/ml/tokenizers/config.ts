/** tokenizer_config.json, special_tokens_map.json and vocab.json as published on Hugging Face. */

import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { readJsonObject } from '../files/read-json.js'
import { printable, refuse } from '../files/refuse.js'

export interface TokenizerConfig {
  /** The directory, for messages. */
  readonly directory: string
  /** tokenizer_config.json over special_tokens_map.json; empty where neither is there. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** @throws UserError for files that are not JSON objects */
export async function readTokenizerConfig(directory: string): Promise<TokenizerConfig> {
  const fields: Record<string, unknown> = {}
  for (const file of ['special_tokens_map.json', 'tokenizer_config.json']) {
    const path = join(directory, file)
    const isThere = await access(path).then(
      () => true,
      () => false,
    )
    if (isThere) Object.assign(fields, await readJsonObject(path))
  }
  return { directory, fields }
}

/** A special token's text: given as a string or as `{content}`; `fallback` where the files do not say. */
export function tokenText(config: TokenizerConfig, field: string, fallback: string): string {
  const value = config.fields[field]
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null && 'content' in value && typeof value.content === 'string')
    return value.content
  if (value === undefined || value === null) return fallback
  throw refuse(join(config.directory, 'tokenizer_config.json'), `has a malformed ${field}`)
}

export function flag(config: TokenizerConfig, field: string, fallback: boolean): boolean {
  const value = config.fields[field]
  if (value === undefined || value === null) return fallback
  if (typeof value === 'boolean') return value
  throw refuse(join(config.directory, 'tokenizer_config.json'), `${field} is neither true nor false`)
}

export class Vocabulary {
  readonly #ids: ReadonlyMap<string, number>
  readonly #tokens: ReadonlyMap<number, string>

  /** @throws UserError (naming `path`) where an id is no natural number or occurs twice */
  constructor(path: string, entries: Iterable<readonly [string, unknown]>) {
    const ids = new Map<string, number>()
    const tokens = new Map<number, string>()
    for (const [token, id] of entries) {
      if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0)
        throw refuse(path, `token "${printable(token)}" has no valid id`)
      if (tokens.has(id)) throw refuse(path, `the id ${id} stands for two tokens`)
      ids.set(token, id)
      tokens.set(id, token)
    }
    this.#ids = ids
    this.#tokens = tokens
  }

  static async read(path: string): Promise<Vocabulary> {
    return new Vocabulary(path, Object.entries(await readJsonObject(path)))
  }

  /** Number of tokens. */
  get size(): number {
    return this.#ids.size
  }

  /** In the file's order. */
  get tokens(): Iterable<string> {
    return this.#ids.keys()
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token)
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens.get(id)
  }
}
