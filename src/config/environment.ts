/** `PLUMBLINE_*` variables as configuration values. Foreign ones are left alone; near misses are reported. */
import { UserError } from '../errors.js'
import { CONFIG_LEAVES, environmentName, type Leaf } from './schema.js'
import { nearest } from './suggest.js'

type Environment = Readonly<Record<string, string | undefined>>

/** Read elsewhere: the file's path and the key's passphrase are no configuration values. */
const OTHER_VARIABLES = ['PLUMBLINE_CONFIG', 'PLUMBLINE_PASSPHRASE', 'PLUMBLINE_PASSPHRASE_FILE'] as const

export interface EnvironmentValue {
  /** The variable's name, for messages. */
  readonly name: string
  readonly value: unknown
}

/**
 * By path. Lists are separated by commas; booleans are true, false, 1, 0, yes, no. An empty variable is as if unset.
 * @throws UserError BAD_CONFIG for a number or boolean that is none.
 */
export function environmentValues(env: Environment): ReadonlyMap<string, EnvironmentValue> {
  const values = new Map<string, EnvironmentValue>()
  for (const leaf of CONFIG_LEAVES) {
    const name = environmentName(leaf.path)
    const text = env[name]?.trim()
    if (text !== undefined && text !== '') values.set(leaf.path, { name, value: convert(name, leaf, text) })
  }
  return values
}

function convert(name: string, leaf: Leaf, text: string): unknown {
  switch (leaf.kind) {
    case 'list':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '')
    case 'number':
      if (!isNumber(text)) throw mistake(name, 'a number', text)
      return Number(text)
    case 'numberOrText':
      return isNumber(text) ? Number(text) : text
    case 'boolean':
      if (/^(?:true|1|yes)$/i.test(text)) return true
      if (/^(?:false|0|no)$/i.test(text)) return false
      throw mistake(name, 'true or false', text)
    case 'text':
      return text
  }
}

const isNumber = (text: string): boolean => /^-?\d+(?:\.\d+)?$/.test(text)

function mistake(name: string, expected: string, text: string): UserError {
  return new UserError(`${name}: expected ${expected}, got ${JSON.stringify(text.slice(0, 40))}`, {
    code: 'BAD_CONFIG',
  })
}

/** Set by the laboratory for its own processes. */
const LABORATORY = 'PLUMBLINE_LAB_'

/** One line for each variable that is probably a misspelling of one of ours. */
export function misspelledVariables(env: Environment): readonly string[] {
  const known: string[] = [...CONFIG_LEAVES.map((leaf) => environmentName(leaf.path)), ...OTHER_VARIABLES]
  return Object.keys(env)
    .filter((name) => name.startsWith('PLUMBLINE_') && !name.startsWith(LABORATORY) && !known.includes(name))
    .flatMap((name) => {
      const best = nearest(name, known)
      return best === undefined
        ? []
        : [`the variable ${name} is not known and has no effect; did you mean ${best}?`]
    })
}
