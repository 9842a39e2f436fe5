/** Which contracts make up a deployment: a file per chain id, checked when it is read. */
import { mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hexToBytes } from '@noble/hashes/utils.js'
import { z } from 'zod'
import { type Address, parseAddress } from '../crypto/address.js'
import type { BeaconInfo } from '../crypto/beacon.js'
import { shown, UserError } from '../errors.js'

const MAX_FILE_BYTES = 65_536
const MAX_BEACONS = 16

const address = z
  .string()
  .max(42)
  .transform((text, context): Address => {
    try {
      return parseAddress(text)
    } catch {
      context.addIssue({ code: 'custom', message: 'no EVM address' })
      return z.NEVER
    }
  })
const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`))

const beaconSchema = z.strictObject({
  kind: z.enum(['drand', 'local']),
  chainHash: hex(32),
  publicKey: hex(96),
  genesisTimeSeconds: z.int().min(1),
  periodSeconds: z.int().min(1),
})

export const deploymentSchema = z.strictObject({
  format: z.literal('plumbline-deployment'),
  version: z.literal(1),
  chainId: z.int().min(1),
  /** First block that can hold an event of these contracts. */
  deployedAtBlock: z.int().min(0),
  contracts: z.strictObject({
    stakeRegistry: address,
    /** Null where the chain lacks EIP-2537 and no other beacon contract was named. */
    beaconRegistry: address.nullable(),
    attestationVerifier: address,
    challengeManager: address,
    disputeGame: address,
    /** Null where the file is older than this contract. */
    paymentChannels: address.nullable().default(null),
  }),
  /** Why a part is missing. */
  absent: z.strictObject({ beaconRegistry: z.string().max(300).optional() }).default({}),
  /** Beacons whose rounds the beacon contract verifies. */
  beacons: z.array(beaconSchema).max(MAX_BEACONS),
})
export type Deployment = Readonly<z.infer<typeof deploymentSchema>>

/** The contracts' addresses, all of them. */
export type ContractAddresses = Deployment['contracts']

const packaged = fileURLToPath(new URL('../../deployments/', import.meta.url))

/** `<data directory>/deployments/<chain id>.json`: where `chain deploy` writes and everything else looks first. */
export function deploymentPath(dataDir: string, chainId: number): string {
  return join(dataDir, 'deployments', `${chainId}.json`)
}

/** @throws UserError NOT_FOUND; BAD_CONFIG where the file is malformed */
export async function readDeployment(path: string): Promise<Deployment> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause
    throw new UserError(`there is no addresses file at ${path}`, {
      code: 'NOT_FOUND',
      remedy: 'name one with --addresses or chain.addresses, or run "plumbline chain deploy"',
      cause,
    })
  })
  return parseDeployment(text, path)
}

/** @param source what the text is called in messages */
export function parseDeployment(text: string, source: string): Deployment {
  const bad = (what: string) =>
    new UserError(`${source} ${what}`, {
      code: 'BAD_CONFIG',
      remedy: 'get the addresses file again from whoever deployed the contracts',
    })
  if (text.length > MAX_FILE_BYTES) throw bad('is too large for an addresses file')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw bad('is not JSON')
  }
  const parsed = deploymentSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw bad(`is no addresses file: ${issue?.path.join('.') || 'it'}: ${shown(issue?.message ?? 'malformed')}`)
}

/**
 * The deployment of a chain: the file that was named, the data directory's, or the one that came with the package.
 * @throws UserError as {@link readDeployment}; BAD_CONFIG where a named file is of another chain
 */
export async function findDeployment(options: {
  readonly path?: string | undefined
  readonly dataDir: string
  readonly chainId: number
}): Promise<Deployment> {
  const { path, dataDir, chainId } = options
  if (path !== undefined) {
    const deployment = await readDeployment(path)
    if (deployment.chainId !== chainId)
      throw new UserError(`${path} is of chain ${deployment.chainId}, and the RPC is on chain ${chainId}`, {
        code: 'BAD_CONFIG',
        remedy: 'name the addresses file of this chain, or another --rpc',
      })
    return deployment
  }
  for (const candidate of [deploymentPath(dataDir, chainId), join(packaged, `${chainId}.json`)])
    try {
      return await readDeployment(candidate)
    } catch (error) {
      if (!(error instanceof UserError) || error.code !== 'NOT_FOUND') throw error
    }
  throw new UserError(`no addresses are known for chain ${chainId}`, {
    code: 'NOT_FOUND',
    remedy: `name an addresses file with --addresses or chain.addresses, or run "plumbline chain deploy"`,
  })
}

/** Writes a deployment whole or not at all. @throws UserError EXISTS where `path` is taken and `replace` is not set */
export async function writeDeployment(
  path: string,
  deployment: Deployment,
  options: { readonly replace?: boolean } = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const isTaken = await stat(path).then(
    () => true,
    () => false,
  )
  if (isTaken && options.replace !== true) throw deploymentExists(path)
  const temporary = `${path}.${process.pid}.tmp`
  const handle = await open(temporary, 'w', 0o644)
  try {
    await handle.writeFile(`${JSON.stringify(deployment, null, 2)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, path).catch(async (error: unknown) => {
    await unlink(temporary)
    throw error
  })
}

export function deploymentExists(path: string): UserError {
  return new UserError(`${path} exists`, {
    code: 'EXISTS',
    remedy: 'move it away, or choose another --out',
  })
}

/** A beacon of a deployment as the protocol describes beacons. */
export function beaconInfoOf(beacon: Deployment['beacons'][number]): BeaconInfo {
  return { ...beacon, chainHash: hexToBytes(beacon.chainHash), publicKey: hexToBytes(beacon.publicKey) }
}
