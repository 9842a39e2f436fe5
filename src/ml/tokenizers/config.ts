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
    if (await exists(path)) Object.assign(fields, await readJsonObject(path))
  }
  return { directory, fields }
}

/**
 * The class that a directory's files name: tokenizer_config.json, or config.json where that is silent; undefined where
 * neither does.
 * @throws UserError for one that is not among `known`; what another class does with the same files is not known
 */
export async function checkedTokenizerClass<Known extends string>(
  { directory, fields }: TokenizerConfig,
  known: readonly Known[],
): Promise<Known | undefined> {
  let file = 'tokenizer_config.json'
  let named = fields.tokenizer_class
  if (named === undefined || named === null) {
    file = 'config.json'
    const path = join(directory, file)
    named = (await exists(path)) ? (await readJsonObject(path)).tokenizer_class : undefined
  }
  if (named === undefined || named === null) return undefined
  const text = typeof named === 'string' ? named : JSON.stringify(named)
  // The same tokenizer, built otherwise.
  const found = known.find((name) => text === name || text === `${name}Fast`)
  if (found !== undefined) return found
  throw refuse(join(directory, file), `names a tokenizer that is not known here: ${printable(text)}`, {
    remedy: `use a model with a ${known.join(' or ')}`,
  })
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
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

/**
 * Tokens that were added after training and are not in vocab.json: `added_tokens.json` ({token: id}) and
 * `added_tokens_decoder` of the configuration ({id: {content}}).
 */
export async function readAddedTokens(config: TokenizerConfig): Promise<ReadonlyMap<string, unknown>> {
  const added = new Map<string, unknown>()
  const decoder = config.fields.added_tokens_decoder
  if (typeof decoder === 'object' && decoder !== null)
    for (const [id, token] of Object.entries(decoder as Record<string, unknown>))
      if (
        typeof token === 'object' &&
        token !== null &&
        'content' in token &&
        typeof token.content === 'string'
      )
        added.set(token.content, Number(id))
  const path = join(config.directory, 'added_tokens.json')
  if (await exists(path))
    for (const [token, id] of Object.entries(await readJsonObject(path))) added.set(token, id)
  return added
}

/** The entries of vocab.json, then the added tokens that it lacks. */
export function withAdded(
  entries: readonly (readonly [string, unknown])[],
  added: ReadonlyMap<string, unknown>,
): readonly (readonly [string, unknown])[] {
  const known = new Set(entries.map(([token]) => token))
  return [...entries, ...[...added].filter(([token]) => !known.has(token))]
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

  /** vocab.json with the added tokens. */
  static async read(config: TokenizerConfig): Promise<Vocabulary> {
    const path = join(config.directory, 'vocab.json')
    const entries = Object.entries(await readJsonObject(path))
    return new Vocabulary(path, withAdded(entries, await readAddedTokens(config)))
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
