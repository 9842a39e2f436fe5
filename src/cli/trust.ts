/** What a verifier trusts: a registry file, and a beacon by name or by its parameters in a file. */
import { readFile } from 'node:fs/promises'
import { expandPath } from '../config/paths.js'
import type { Config } from '../config/schema.js'
import type { BeaconInfo } from '../crypto/beacon.js'
import { UserError } from '../errors.js'

/** Names of beacons whose parameters are built in. */
const PRESETS = ['quicknet', 'drand'] as const
const MAX_BEACON_FILE_BYTES = 65_536

/**
 * A preset, or a YAML or JSON file with the fields of the configuration's section `beacon`, with or without that
 * section's name above them (as `plumbline beacon new` prints them).
 * @throws UserError NOT_FOUND, BAD_CONFIG
 */
export async function trustedBeacon(nameOrFile: string): Promise<BeaconInfo> {
  const { QUICKNET } = await import('../crypto/beacon.js')
  if (PRESETS.some((preset) => preset === nameOrFile)) return QUICKNET
  const path = expandPath(nameOrFile)
  const content = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new UserError(`no beacon is named ${JSON.stringify(nameOrFile)}, and there is no such file`, {
      code: 'NOT_FOUND',
      remedy: `name ${PRESETS[0]}, or a file with the beacon's parameters`,
      cause,
    })
  })
  if (content.length > MAX_BEACON_FILE_BYTES)
    throw new UserError(`${path} is too large for a beacon's parameters`, { code: 'BAD_CONFIG' })
  const { parseConfigFile } = await import('../config/yaml-file.js')
  const { value, position } = parseConfigFile(path, content)
  const fields = isRecord(value) && isRecord(value.beacon) ? value.beacon : value
  const { configSchema } = await import('../config/schema.js')
  const parsed = configSchema.shape.beacon.safeParse(fields)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const field = issue?.path.join('.') ?? ''
    throw new UserError(
      `${path}${position(field)}: ${field === '' ? 'the beacon' : field}: ${issue?.message ?? 'malformed'}`,
      { code: 'BAD_CONFIG', remedy: 'copy the parameters again from the beacon you trust' },
    )
  }
  return beaconFrom(parsed.data)
}

/** The beacon of the configuration. */
export async function beaconFrom(beacon: Config['beacon']): Promise<BeaconInfo> {
  const { beaconOf } = await import('../config/beacon.js')
  return beaconOf(beacon)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
