/**
 * Puts the configuration together: flags > environment (`PLUMBLINE_*`) > file (YAML) > defaults. Every mistake is one
 * line that names where the value came from and what was expected.
 */
import { readFile } from 'node:fs/promises'
import { UserError } from '../errors.js'
import { beaconProblem } from './beacon.js'
import { environmentValues, misspelledVariables } from './environment.js'
import { DEFAULT_DATA_DIR, dataPaths, expandPath } from './paths.js'
import { CONFIG_LEAVES, type Config, configSchema } from './schema.js'
import { nearest } from './suggest.js'
import { type ConfigFile, parseConfigFile } from './yaml-file.js'

export interface LoadOptions {
  /** Values by path, e.g. `{ 'challenger.uplinkMbps': 100 }`; undefined ones are as if absent. */
  readonly flags?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** `--config`; without it `PLUMBLINE_CONFIG`, then config.yaml in the data directory where there is one. */
  readonly configPath?: string
}

export interface LoadedConfig {
  readonly config: Config
  /** The file that was read, if any. */
  readonly configPath: string | undefined
  /** Things worth a line on standard error. */
  readonly warnings: readonly string[]
}

/** A configuration file of ours has 4 KB; a list of a few thousand peers still fits. */
const MAX_FILE_BYTES = 1_048_576

/** @throws UserError BAD_CONFIG (values), NOT_FOUND (a file that was asked for by name) */
export async function loadConfig(options: LoadOptions = {}): Promise<LoadedConfig> {
  const env = options.env ?? process.env
  const flags = new Map(Object.entries(options.flags ?? {}).filter(([, value]) => value !== undefined))
  const environment = environmentValues(env)

  const earlyDataDir =
    textOf(flags.get('dataDir')) ?? textOf(environment.get('dataDir')?.value) ?? DEFAULT_DATA_DIR
  const named = options.configPath ?? env.PLUMBLINE_CONFIG
  const configPath = named === undefined ? dataPaths(earlyDataDir).config : expandPath(named)
  const file = await readConfigFile(configPath, named !== undefined)
  if (file !== undefined) check(file.value, (path) => `${configPath}${file.position(path)}: `)

  // The file is known to have the schema's shape now, so values can be set by path.
  const merged = structuredClone(file?.value ?? {}) as Record<string, unknown>
  const origins = new Map<string, string>()
  for (const [path, { name, value }] of environment) {
    setPath(merged, path, value)
    origins.set(path, `${name}: `)
  }
  for (const [path, value] of flags) {
    if (!CONFIG_LEAVES.some((leaf) => leaf.path === path)) throw new Error(`no configuration field "${path}"`)
    setPath(merged, path, value)
    origins.set(path, 'command line: ')
  }
  const { dataDir, ...rest } = check(merged, (path) => origins.get(path.replace(/\[.*$/, '')) ?? '')
  const config: Config = { ...rest, dataDir: expandPath(dataDir ?? earlyDataDir) }
  checkTogether(config)
  return {
    config,
    configPath: file === undefined ? undefined : configPath,
    warnings: misspelledVariables(env),
  }
}

/** The defaults alone, for tests and tools. */
export function defaultConfig(dataDir: string = DEFAULT_DATA_DIR): Config {
  const { dataDir: _, ...rest } = configSchema.parse({})
  return { ...rest, dataDir: expandPath(dataDir) }
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

async function readConfigFile(path: string, mustExist: boolean): Promise<ConfigFile | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'EIO'
    if (code === 'ENOENT' && !mustExist) return undefined
    throw new UserError(`cannot read the configuration file ${path} (${code})`, {
      code: code === 'ENOENT' ? 'NOT_FOUND' : 'BAD_CONFIG',
      remedy: code === 'ENOENT' ? 'check the path, or run "plumbline init"' : 'check its owner and mode',
      cause,
    })
  }
  if (text.length > MAX_FILE_BYTES)
    throw new UserError(`the configuration file ${path} is longer than ${MAX_FILE_BYTES} bytes`, {
      code: 'BAD_CONFIG',
    })
  return parseConfigFile(path, text)
}

/** Sets a leaf in an object that has the schema's shape. */
function setPath(root: Record<string, unknown>, path: string, value: unknown): void {
  const names = path.split('.')
  const leaf = names.pop()
  let at = root
  for (const name of names) {
    const next = at[name]
    at[name] = typeof next === 'object' && next !== null ? next : {}
    at = at[name] as Record<string, unknown>
  }
  if (leaf !== undefined) at[leaf] = value
}

function check(value: unknown, origin: (path: string) => string): ReturnType<typeof configSchema.parse> {
  const result = configSchema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  if (issue === undefined) throw result.error
  const path = issue.path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}${text && '.'}${String(part)}`),
    '',
  )
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    const full = path ? `${path}.${key}` : key
    throw new UserError(`${origin(full)}unknown key "${full}"`, {
      code: 'BAD_CONFIG',
      remedy: suggestion(full),
    })
  }
  const message = issue.code === 'custom' ? issue.message : issue.message.replace(/^Invalid input: /, '')
  throw new UserError(`${origin(path)}${path || 'the configuration'}: ${message}`, { code: 'BAD_CONFIG' })
}

function suggestion(path: string): string {
  const sections = CONFIG_LEAVES.map((leaf) => leaf.path.split('.')[0] ?? '')
  const candidates = path.includes('.') ? CONFIG_LEAVES.map((leaf) => leaf.path) : [...new Set(sections)]
  const best = nearest(path, candidates)
  return best === undefined
    ? 'remove it; docs and "plumbline init" list the known keys'
    : `did you mean "${best}"?`
}

/** Rules that span fields; asked once, of the final values. */
function checkTogether(config: Config): void {
  const { claimMbps, maxClaimMbps } = config.prover
  if (claimMbps !== undefined && maxClaimMbps !== undefined && claimMbps > maxClaimMbps)
    throw new UserError(`prover.claimMbps ${claimMbps} exceeds prover.maxClaimMbps ${maxClaimMbps}`, {
      code: 'BAD_CONFIG',
      remedy: 'raise the maximum or lower the claim',
    })
  const problem = beaconProblem(config.beacon)
  if (problem !== undefined) throw problem
}
