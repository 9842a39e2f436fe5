/** What the laboratory's daemons find on disk: keys, configurations, one registry, one local beacon. */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
import { stringify } from 'yaml'
import { dataPaths } from '../config/paths.js'
import { type BeaconInfo, localBeacon } from '../crypto/beacon.js'
import { Identity } from '../crypto/identity.js'
import { saveIdentity } from '../crypto/keystore-file.js'
import { signRegistry } from '../pob/registry.js'
import type { LabNetwork } from './network.js'

/** Keys of a laboratory live for minutes: the least scrypt cost, so that twelve daemons start at once. */
const SCRYPT_COST = 1024
const CONTROL_PORT = 4021
/** Of a provider that shares the prover's host. */
const PROVIDER_PORT = 4031
export const BEACON_PORT = 4080
export const RPC_PORT = 8545
/** The shortest period there is: a laboratory waits for every round. */
const BEACON_PERIOD_SECONDS = 1
/** Rounds before the first request exist already. */
const GENESIS_AGO_SECONDS = 60

export interface LabDaemon {
  readonly name: string
  readonly identity: Identity
  readonly dataDir: string
}

export interface LabFiles {
  readonly directory: string
  readonly passphraseFile: string
  readonly registryPath: string
  readonly beacon: BeaconInfo
  /** Hex; the laboratory's own, worth nothing. */
  readonly beaconSecretPath: string
  /** The first of the provers. */
  readonly prover: LabDaemon
  readonly proverAddress: string
  readonly provers: readonly LabDaemon[]
  /** Multiaddrs with their peer ids. */
  readonly proverAddresses: readonly string[]
  readonly challengers: readonly LabDaemon[]
  readonly payer: LabDaemon
  /** The contracts' addresses, where there is a chain; it writes them. */
  readonly addressesPath: string
  /** Where work is to be sold: who does, and who buys. */
  readonly sale?: {
    readonly provider: LabDaemon
    readonly providerAddress: string
    readonly client: LabDaemon
  }
}

export interface LabFilesOptions {
  readonly challengers: number
  /** Default 1. */
  readonly provers?: number
  /** What the prover's operator claims; nobody is told the truth. */
  readonly claimMbps: number
  /** Declared uplink of every challenger. */
  readonly uplinkMbps: number
  readonly backend: 'auto' | 'native' | 'dgram'
  /** With a chain of its own, on which challenges are opened and settled. */
  readonly chain?: boolean
  /** Models that a provider sells on that chain, each with its price, as --sell takes them. */
  readonly sells?: readonly string[]
  /** Models that the prover's own daemon runs for whoever asks, each with its price. */
  readonly proverSells?: readonly string[]
}

/** Writes everything below `directory`. */
export async function writeLabFiles(
  directory: string,
  network: LabNetwork,
  options: LabFilesOptions,
): Promise<LabFiles> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const passphrase = bytesToHex(new Uint8Array(randomBytes(16)))
  const passphraseFile = join(directory, 'passphrase')
  await writeFile(passphraseFile, `${passphrase}\n`, { mode: 0o600 })
  const secret = new Uint8Array(randomBytes(32))
  secret[0] = 0 // below the group's order
  const beaconSecretPath = join(directory, 'beacon-secret')
  await writeFile(beaconSecretPath, bytesToHex(secret), { mode: 0o600 })
  const genesisTimeSeconds = Math.floor(Date.now() / 1000) - GENESIS_AGO_SECONDS
  const beacon = localBeacon(secret, { genesisTimeSeconds, periodSeconds: BEACON_PERIOD_SECONDS })
  const registryPath = join(directory, 'registry.json')
  const beaconHost = network.host('beacon').address
  const addressesPath = join(directory, 'addresses.json')
  const chain =
    options.chain === true
      ? { chain: { rpcUrls: [`http://${beaconHost}:${RPC_PORT}`], addresses: addressesPath } }
      : {}

  const daemon = async (name: string, settings: Record<string, unknown>): Promise<LabDaemon> => {
    const identity = Identity.generate()
    const dataDir = join(directory, name)
    await mkdir(dataDir, { mode: 0o700 })
    const paths = dataPaths(dataDir)
    await saveIdentity(paths.key, identity, passphrase, { scryptCost: SCRYPT_COST })
    const config = {
      registry: { path: registryPath },
      beacon: {
        kind: 'local',
        urls: [`http://${beaconHost}:${BEACON_PORT}`],
        publicKey: bytesToHex(beacon.publicKey),
        genesisTimeSeconds,
        periodSeconds: BEACON_PERIOD_SECONDS,
        chainHash: bytesToHex(beacon.chainHash),
      },
      logging: { level: 'warn', format: 'json' },
      ...chain,
      ...settings,
    }
    await writeFile(paths.config, stringify(config))
    return { name, identity, dataDir }
  }
  const listen = (address: string, port: number) => [`/ip4/${address}/tcp/${port}`]

  const challengers: LabDaemon[] = []
  for (let i = 0; i < options.challengers; i++) {
    const { bind } = network.challengerData(i)
    const { address } = network.host(`challenger-${i}`)
    challengers.push(
      await daemon(`challenger-${i}`, {
        network: { listen: listen(address, CONTROL_PORT) },
        dataPlane: { backend: options.backend, host: bind.address, udpPort: bind.port },
        challenger: { uplinkMbps: options.uplinkMbps, operator: `operator-${i}` },
      }),
    )
  }
  const provers: LabDaemon[] = []
  const proverAddresses: string[] = []
  for (let i = 0; i < (options.provers ?? 1); i++) {
    const { address } = network.host(`prover-${i}`)
    const made = await daemon(i === 0 ? 'prover' : `prover-${i}`, {
      network: { listen: listen(address, CONTROL_PORT) },
      dataPlane: { backend: options.backend, host: '0.0.0.0' },
      prover: { claimMbps: options.claimMbps, minIntervalSeconds: 0 },
      ...(i > 0 || options.proverSells === undefined
        ? {}
        : { inference: { provider: { models: options.proverSells } } }),
    })
    provers.push(made)
    proverAddresses.push(`/ip4/${address}/tcp/${CONTROL_PORT}/p2p/${made.identity.peerId}`)
  }
  const [prover] = provers
  const [proverAddress] = proverAddresses
  if (prover === undefined || proverAddress === undefined) throw new RangeError('a laboratory has a prover')
  const payer = await daemon('payer', { network: { listen: [] } })

  const { sells } = options
  const sale =
    sells === undefined
      ? undefined
      : {
          provider: await daemon('provider', {
            network: { listen: listen(network.host('prover-0').address, PROVIDER_PORT) },
            inference: { provider: { models: sells } },
          }),
          client: await daemon('app', { network: { listen: [] } }),
        }

  const publisher = Identity.generate()
  const entries = challengers.map(({ identity }, i) => {
    const { announce } = network.challengerData(i)
    return {
      publicKey: identity.publicKey,
      operator: `operator-${i}`,
      host: announce.address,
      udpPort: announce.port,
      addresses: listen(network.host(`challenger-${i}`).address, CONTROL_PORT),
      uplinkKbps: Math.round(options.uplinkMbps * 1000),
    }
  })
  await writeFile(registryPath, signRegistry(entries, publisher))
  return {
    directory,
    passphraseFile,
    registryPath,
    beacon,
    beaconSecretPath,
    prover,
    proverAddress,
    provers,
    proverAddresses,
    challengers,
    payer,
    addressesPath,
    ...(sale === undefined
      ? {}
      : {
          sale: {
            ...sale,
            providerAddress: `/ip4/${network.host('prover-0').address}/tcp/${PROVIDER_PORT}/p2p/${sale.provider.identity.peerId}`,
          },
        }),
  }
}
