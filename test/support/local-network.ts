/**
 * A network of real daemons on loopback, without root: every challenger has a /24 of 127/8 to itself, as the draw wants it,
 * and each network another 127.x, so that files and checkouts may run side by side. A local beacon gives a round a second.
 */
import { createSocket } from 'node:dgram'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '@noble/hashes/utils.js'
import { stringify } from 'yaml'
import { dataPaths } from '../../src/config/paths.js'
import { type BeaconInfo, localBeacon } from '../../src/crypto/beacon.js'
import { Identity } from '../../src/crypto/identity.js'
import { saveIdentity } from '../../src/crypto/keystore-file.js'
import { type BeaconServer, startBeaconServer } from '../../src/p2p/beacon-server.js'
import { parseRegistry, type Registry, type RegistryEntry, signRegistry } from '../../src/pob/registry.js'
import type { MeasureResult } from '../../src/roles/measure-result.js'
import { type Ended, NodeProcess, type StartOptions } from './node-process.js'

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const DOOMED = fileURLToPath(new URL('doomed.mjs', import.meta.url))
export const PASSPHRASE = 'a passphrase of tests'
/** The least there is: keys of tests live for seconds. */
const SCRYPT_COST = 1024
export const TCP_PORT = 4021
export const UDP_PORT = 4022
const GENESIS_AGO_SECONDS = 600
/** Little traffic, so that a busy machine sends it in time. */
export const CLAIM_MBPS = 4

export interface Member {
  readonly name: string
  readonly identity: Identity
  readonly dataDir: string
  /** Its own loopback address. */
  readonly host: string
  /** Where it is dialled, ending with /p2p/. */
  readonly address: string
}

/** Kills a process around an exchange: see doomed.mjs. */
export interface Doom {
  /** `handle`: after the exchange was handled, before its answer leaves; `begin`: when it comes in; `ask`: when it was answered. */
  readonly when: 'handle' | 'begin' | 'ask'
  readonly exchange: string
  readonly afterMs?: number
}

/** How a process of the network is started. */
export interface NodeOptions extends StartOptions {
  readonly doom?: Doom
  /** The real command line with something about it, instead of itself. */
  readonly script?: string
}

type Settings = Readonly<Record<string, unknown>>

export interface NetworkOptions {
  readonly challengers: number
  readonly uplinkMbps?: number
  /** Sections of the prover's configuration. */
  readonly prover?: Settings
  /** Sections of every challenger's configuration. */
  readonly challenger?: Settings
  /** Elsewhere than on loopback: addresses, and the words before a command that run it there. */
  readonly elsewhere?: {
    readonly challenger: (i: number) => string
    readonly prover: string
    readonly payer: string
    readonly beacon: string
    readonly prefix: readonly string[]
  }
}

/** Why networks on loopback cannot be had here; undefined where they can. */
export async function whyNoLoopback(): Promise<string | undefined> {
  if (!existsSync(MAIN)) return 'dist/ is missing: run npm run build'
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', () => {
      socket.close()
      resolve('only one loopback address can be used here (Linux has all of 127/8)')
    })
    socket.bind(0, '127.77.1.1', () => {
      socket.close()
      resolve(undefined)
    })
  })
}

export class LocalNetwork {
  readonly challengers: Member[] = []
  readonly #processes = new Set<NodeProcess>()
  #entries: RegistryEntry[] = []
  registry: Registry | undefined

  private constructor(
    readonly directory: string,
    readonly registryPath: string,
    readonly beacon: BeaconInfo,
    readonly beaconSecret: Uint8Array,
    readonly beaconUrl: string,
    readonly closeBeacon: () => Promise<void>,
    readonly publisher: Identity,
  ) {}

  prover: Member = NOBODY
  payer: Member = NOBODY

  static async create(options: NetworkOptions): Promise<LocalNetwork> {
    const directory = await mkdtemp(join(tmpdir(), 'plb-e2e-'))
    const secret = Identity.generate().publicKey.slice(1)
    secret[0] = 1
    const genesisTimeSeconds = Math.floor(Date.now() / 1000) - GENESIS_AGO_SECONDS
    const times = { genesisTimeSeconds, periodSeconds: 1 }
    const beacon = localBeacon(secret, times)
    const { elsewhere } = options
    const server =
      elsewhere === undefined
        ? await startBeaconServer({ info: beacon, secret, host: '127.0.0.1', port: 0 })
        : await serveElsewhere(directory, elsewhere, { secret: bytesToHex(secret), ...times })
    const network = new LocalNetwork(
      directory,
      join(directory, 'registry.json'),
      beacon,
      secret,
      server.url,
      () => server.close(),
      Identity.generate(),
    )
    const net = 1 + Math.floor(Math.random() * 250)
    const hosts = elsewhere ?? {
      challenger: (i: number) => `127.${net}.${i}.1`,
      prover: `127.${net}.200.1`,
      payer: `127.${net}.201.1`,
    }
    const uplinkMbps = options.uplinkMbps ?? 100
    for (let i = 0; i < options.challengers; i++)
      network.challengers.push(
        await network.addMember(`challenger-${i}`, hosts.challenger(i), {
          dataPlane: { host: hosts.challenger(i), udpPort: UDP_PORT },
          challenger: { uplinkMbps, operator: `operator-${i}` },
          ...options.challenger,
        }),
      )
    network.prover = await network.addMember('prover', hosts.prover, {
      prover: { claimMbps: CLAIM_MBPS, minIntervalSeconds: 0 },
      ...options.prover,
    })
    network.payer = await network.addMember('payer', hosts.payer, { network: { listen: [] } })
    await network.writeRegistry(
      network.challengers.map(({ identity, host }, i) => ({
        publicKey: identity.publicKey,
        operator: `operator-${i}`,
        host,
        udpPort: UDP_PORT,
        addresses: [`/ip4/${host}/tcp/${TCP_PORT}`],
        uplinkKbps: uplinkMbps * 1000,
      })),
    )
    return network
  }

  /** Replaces the registry's file; running daemons follow it. */
  async writeRegistry(entries: readonly RegistryEntry[]): Promise<void> {
    this.#entries = [...entries]
    const text = signRegistry(this.#entries, this.publisher)
    await writeFile(this.registryPath, text)
    this.registry = parseRegistry(text)
  }

  /** A key and a configuration in a data directory of their own. */
  async addMember(name: string, host: string, settings: Settings): Promise<Member> {
    const identity = Identity.generate()
    const dataDir = join(this.directory, name)
    await mkdir(dataDir, { mode: 0o700 })
    const paths = dataPaths(dataDir)
    await saveIdentity(paths.key, identity, PASSPHRASE, { scryptCost: SCRYPT_COST })
    await this.configure(dataDir, host, settings)
    const address = `/ip4/${host}/tcp/${TCP_PORT}/p2p/${identity.peerId}`
    return { name, identity, dataDir, host, address }
  }

  /** Writes the configuration of a data directory. */
  async configure(dataDir: string, host: string, settings: Settings): Promise<void> {
    const { publicKey, genesisTimeSeconds, periodSeconds, chainHash } = this.beacon
    const config = {
      registry: { path: this.registryPath },
      beacon: {
        kind: 'local',
        urls: [this.beaconUrl],
        publicKey: bytesToHex(publicKey),
        chainHash: bytesToHex(chainHash),
        genesisTimeSeconds,
        periodSeconds,
      },
      logging: { level: process.env.TEST_LOG_LEVEL ?? 'warn', format: 'json' },
      network: { listen: [`/ip4/${host}/tcp/${TCP_PORT}`] },
      ...settings,
    }
    await writeFile(dataPaths(dataDir).config, stringify(config))
  }

  /** Starts a command of the real command line, to be killed where `doom` says. */
  start(args: readonly string[], options: NodeOptions = {}): NodeProcess {
    const { doom, script = MAIN, ...rest } = options
    const env = {
      PLUMBLINE_PASSPHRASE: PASSPHRASE,
      ...(doom === undefined ? {} : { PLUMBLINE_TEST_DOOM: JSON.stringify(doom) }),
      ...rest.env,
    }
    const process = new NodeProcess(doom === undefined ? script : DOOMED, args, { ...rest, env })
    this.#processes.add(process)
    void process.ended.then(() => this.#processes.delete(process))
    return process
  }

  /** Starts a daemon and waits until it serves. */
  async daemon(
    role: 'prover' | 'challenger',
    member: Member,
    options: NodeOptions = {},
  ): Promise<NodeProcess> {
    const process = this.start([role, '--data-dir', member.dataDir, '--json-stream'], options)
    await process.event('started')
    return process
  }

  async startAll(): Promise<{ readonly prover: NodeProcess; readonly challengers: NodeProcess[] }> {
    const [prover, ...challengers] = await Promise.all([
      this.daemon('prover', this.prover),
      ...this.challengers.map((each) => this.daemon('challenger', each)),
    ])
    return { prover, challengers }
  }

  /** Runs a command to its end. */
  async run(args: readonly string[], options: NodeOptions = {}): Promise<Ended> {
    return this.start(args, options).ended
  }

  measureArguments(more: readonly string[] = [], target = this.prover.address): string[] {
    const claim = ['--claim', String(CLAIM_MBPS)]
    const size = ['--challengers', String(this.challengers.length), '--faulty', '1']
    const data = ['--data-dir', this.payer.dataDir]
    return ['measure', target, ...claim, ...size, ...data, '--json', ...more]
  }

  /** One measurement that must succeed. @throws with what it said */
  async measure(more: readonly string[] = [], target = this.prover.address): Promise<MeasureResult> {
    const { code, stdout, stderr } = await this.run(this.measureArguments(more, target))
    if (code !== 0) throw new Error(`measure ended with ${code}: ${stderr}${stdout}`)
    return JSON.parse(stdout) as MeasureResult
  }

  /** One measurement that must fail; its line on standard error. @throws where it succeeded */
  async refusal(more: readonly string[] = []): Promise<string> {
    const { code, stdout, stderr } = await this.run(this.measureArguments(more))
    if (code !== 1) throw new Error(`measure ended with ${code}: ${stderr}${stdout}`)
    return stderr.trim()
  }

  /** What its running processes wrote on standard error, for whoever looks into a failed test. */
  said(): string {
    return [...this.#processes]
      .map(({ child, stderr }) => `${child.spawnargs.slice(2).join(' ')}:\n${stderr.slice(-8_000)}\n`)
      .join('\n')
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#processes].map((process) => process.stop()))
  }

  async close(): Promise<void> {
    await this.stopAll()
    await this.closeBeacon()
    await rm(this.directory, { recursive: true, force: true })
  }
}

/** The beacon as a process, where this one cannot listen. */
async function serveElsewhere(
  directory: string,
  { beacon, prefix }: NonNullable<NetworkOptions['elsewhere']>,
  key: object,
): Promise<Pick<BeaconServer, 'url' | 'close'>> {
  const path = join(directory, 'beacon-key.json')
  await writeFile(path, JSON.stringify({ format: 'plumbline-beacon', version: 1, ...key }), { mode: 0o600 })
  const args = ['beacon', 'serve', '--key', path, '--host', beacon, '--json-stream']
  const server = new NodeProcess(MAIN, args, { prefix })
  const { url } = await server.event('started')
  return { url: String(url), close: async () => void (await server.stop()) }
}

const NOBODY: Member = Object.freeze({
  name: 'nobody',
  identity: Identity.generate(),
  dataDir: '',
  host: '',
  address: '',
})
