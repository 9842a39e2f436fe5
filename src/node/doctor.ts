/** `doctor`: what is wrong with this node, and how to mend it. Each check stands alone and yields one finding. */
import './polyfills.js'
import { existsSync } from 'node:fs'
import { access, constants, stat, statfs } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { beaconOf } from '../config/beacon.js'
import { dataPaths } from '../config/paths.js'
import type { Config } from '../config/schema.js'
import { roundAt, timeOfRound } from '../crypto/beacon.js'
import type { Identity } from '../crypto/identity.js'
import { measureBox } from '../dataplane/self-test.js'
import { UserError } from '../errors.js'
import { BeaconClient } from '../p2p/beacon-client.js'
import type { Host } from '../p2p/index.js'
import type { Registry } from '../pob/registry.js'
import type { Logger } from '../telemetry/logger.js'
import { askDialBack } from './dial-back.js'
import { audits, checkAuditor, checkProvider, sells } from './doctor-provider.js'
import { type Finding, messageOf, ok, problem, remedyOf, skipped, warning } from './finding.js'
import { createNodeHost } from './host.js'
import { readRegistryFile, registryPath } from './registry-file.js'

export type { Finding } from './finding.js'

export interface DoctorOptions {
  readonly config: Config
  /** Without it nothing that needs the network's handshake is checked. */
  readonly identity?: Identity
  readonly log: Logger
}

const LEAST_FREE_BYTES = 512 * 2 ** 20
const LEAST_MEMORY_BYTES = 512 * 2 ** 20
const BEACON_DEADLINE_MS = 6_000
/** Members tried for the dial-back before giving up. */
const MAX_HELPERS = 5
/** Members refuse what is 20 s old; a clock that is this far off will be soon. */
const MAX_CLOCK_LAG_SECONDS = 3
/** The box must be this much faster than the link, or it is what gets measured. */
const BOX_MARGIN = 1.5

export async function* diagnose(options: DoctorOptions): AsyncIterable<Finding> {
  const { config } = options
  yield* checkDirectory(config)
  yield checkMachine()
  const registry = tryRegistry(config)
  yield registry.finding
  yield* checkBeacon(config)
  if (sells(config)) yield* checkProvider(options)
  else if (audits(config)) yield* checkAuditor(options)
  if (measures(config) || !worksAlone(config)) yield* checkBox(config)
  yield* checkReachability(options, registry.registry)
}

async function* checkDirectory(config: Config): AsyncIterable<Finding> {
  const { dataDir, key } = dataPaths(config.dataDir)
  try {
    await access(dataDir, constants.W_OK)
    const { bavail, bsize } = await statfs(dataDir)
    const free = bavail * bsize
    yield free < LEAST_FREE_BYTES
      ? warning(
          'data directory',
          `${dataDir} has ${Math.round(free / 2 ** 20)} MiB left`,
          'free some space: transcripts and locks live there',
        )
      : ok('data directory', `${dataDir} is writable`)
  } catch {
    yield problem(
      'data directory',
      `${dataDir} is missing or not writable`,
      'run "plumbline init", or fix its owner',
    )
  }
  try {
    const { mode } = await stat(key)
    yield (mode & 0o077) === 0
      ? ok('key', `${key} is there, readable by you alone`)
      : problem(
          'key',
          `${key} can be read by others (mode ${(mode & 0o777).toString(8)})`,
          `chmod 600 ${key}`,
        )
  } catch {
    yield problem('key', `there is no key at ${key}`, 'run "plumbline init"')
  }
}

function checkMachine(): Finding {
  const cores = availableParallelism()
  const memory = Math.round(totalmem() / 2 ** 20)
  const message = `${cores} cores, ${memory} MiB of memory, Node ${process.versions.node}, ${process.platform} ${process.arch}`
  return totalmem() < LEAST_MEMORY_BYTES
    ? warning('machine', message, 'plumbline needs about 160 MiB for itself; end other programs')
    : ok('machine', message)
}

const measures = ({ roles }: Config): boolean => roles.includes('prover') || roles.includes('challenger')

/** Sells what models make, or audits it. */
const worksAlone = (config: Config): boolean => sells(config) || audits(config)

/** Whoever is drawn from a chain, or sells or audits and measures nothing, needs no registry, as when the daemon starts. */
const needsRegistry = (config: Config): boolean =>
  config.registry.path !== undefined ||
  (config.chain.rpcUrls.length === 0 && (measures(config) || !worksAlone(config)))

function tryRegistry(config: Config): { readonly finding: Finding; readonly registry: Registry | undefined } {
  const path = registryPath(config)
  if (!needsRegistry(config) && !existsSync(path))
    return {
      finding: skipped('registry', `there is none at ${path}, and none is needed`),
      registry: undefined,
    }
  try {
    const registry = readRegistryFile(path, config.registry.publisher)
    return { finding: ok('registry', `${registry.entries.length} challengers in ${path}`), registry }
  } catch (error) {
    return {
      finding: problem(
        'registry',
        messageOf(error),
        remedyOf(error) ??
          (error instanceof UserError ? 'get a fresh copy' : 'check its path, owner and mode'),
      ),
      registry: undefined,
    }
  }
}

const SET_THE_CLOCK = 'turn on time synchronisation (systemd-timesyncd, chrony)'

/** The beacon answers, verifies, and has the round that our clock says it has. */
async function* checkBeacon(config: Config): AsyncIterable<Finding> {
  const info = beaconOf(config.beacon)
  const client = new BeaconClient({ info, urls: config.beacon.urls, deadlineMs: BEACON_DEADLINE_MS })
  try {
    await client.checkServers()
    yield ok('beacon', `the ${info.kind} beacon answers at ${config.beacon.urls.join(', ')}`)
  } catch (error) {
    yield problem(
      'beacon',
      messageOf(error),
      remedyOf(error) ?? 'check that this machine reaches beacon.urls',
    )
    yield skipped('clock', 'needs the beacon')
    return
  }
  try {
    const lagSeconds = timeOfRound(info, await client.latestRound()) - Date.now() / 1000
    if (lagSeconds > MAX_CLOCK_LAG_SECONDS) {
      yield problem(
        'clock',
        `${Math.round(lagSeconds)} s behind the beacon: challenges would be refused as too old or too new`,
        SET_THE_CLOCK,
      )
      return
    }
    const round = Math.max(1, roundAt(info, Date.now() / 1000) - 1)
    await client.round(round)
    yield ok('clock', `agrees with the beacon (round ${round} is verified)`)
  } catch {
    yield problem('clock', 'the beacon does not have the round that this clock says is out', SET_THE_CLOCK)
  }
}

async function* checkBox(config: Config): AsyncIterable<Finding> {
  try {
    const box = await measureBox(config.dataPlane.backend)
    const rate = `${box.atLeast ? 'at least' : 'about'} ${Math.round(box.receiveMbps)} Mbit/s`
    yield box.backend.name === 'native'
      ? ok('data plane', `native: ${box.backend.reason}`)
      : warning(
          'data plane',
          `${box.backend.name}: ${box.backend.reason}`,
          'use Linux on x64 or arm64 for kernel timestamps and high rates',
        )
    const { claimMbps: claim } = config.prover
    const uplink = config.roles.includes('challenger') ? config.challenger.uplinkMbps : undefined
    if (claim === undefined && uplink === undefined)
      yield ok('box or link', `this box sends, receives, checks and hashes ${rate}`)
    if (claim !== undefined)
      yield box.receiveMbps >= BOX_MARGIN * claim
        ? ok('box or link', `this box handles ${rate}: the link of ${claim} Mbit/s will be what is measured`)
        : problem(
            'box or link',
            `this box handles ${rate}, too little to measure ${claim} Mbit/s`,
            'lower the claim or use a faster machine: the box would be measured, not the link',
          )
    if (uplink !== undefined)
      yield box.receiveMbps >= BOX_MARGIN * uplink
        ? ok(
            'uplink',
            `this box sends ${rate}, enough for ${uplink} Mbit/s; whether the line does shows in service only`,
          )
        : problem(
            'uplink',
            `this box sends ${rate}, too little for an uplink of ${uplink} Mbit/s`,
            'declare less in challenger.uplinkMbps or use a faster machine: late trains are repeated and earn nothing',
          )
  } catch (error) {
    yield problem('data plane', messageOf(error), 'try --backend dgram')
  }
}

function portOf(config: Config): number | undefined {
  for (const address of config.network.listen) {
    const port = Number(/\/tcp\/(\d+)/.exec(address)?.[1])
    if (port > 0) return port
  }
  return undefined
}

/** Asks challengers of the registry, or bootstrap peers, to dial back. */
async function* checkReachability(
  { config, identity, log }: DoctorOptions,
  registry: Registry | undefined,
): AsyncIterable<Finding> {
  if (identity === undefined) {
    yield skipped('reachable', 'needs the key: give its passphrase')
    return
  }
  const helpers = [...(registry?.entries ?? []), ...config.network.bootstrap]
    .filter(
      (helper) => typeof helper === 'string' || Buffer.compare(helper.publicKey, identity.publicKey) !== 0,
    )
    .slice(0, MAX_HELPERS)
  if (helpers.length === 0) {
    yield skipped('reachable', 'no other node is known that could dial back')
    return
  }
  const host = await createNodeHost({ config, identity, log, clientOnly: true })
  try {
    yield* dialBack(host, config, helpers)
  } finally {
    await host.stop()
  }
}

async function* dialBack(
  host: Host,
  config: Config,
  helpers: readonly Parameters<typeof askDialBack>[1][],
): AsyncIterable<Finding> {
  const tcpPort = portOf(config)
  const challenger = config.roles.includes('challenger')
  const failures: string[] = []
  for (const helper of helpers) {
    try {
      const answer = await askDialBack(host, helper, {
        ...(tcpPort === undefined ? {} : { tcpPort }),
        ...(challenger ? { udp: { host: config.dataPlane.host, port: config.dataPlane.udpPort } } : {}),
      })
      yield ok('outbound', `another node answers and sees us as ${answer.seenAs}`)
      if (tcpPort !== undefined) yield tcpFinding(tcpPort, answer.tcp, challenger)
      if (answer.udp !== undefined) yield udpFinding(config.dataPlane, answer.udp)
      return
    } catch (error) {
      failures.push(messageOf(error))
    }
  }
  yield problem(
    'outbound',
    `none of ${helpers.length} other nodes answered: ${failures[0] ?? ''}`,
    'check that outgoing TCP is allowed, and that the registry is current',
  )
}

function udpFinding({ host, udpPort }: Config['dataPlane'], verdict: string): Finding {
  if (verdict === 'ok') return ok('udp port', `datagrams from outside arrive on port ${udpPort}`)
  if (verdict === 'lost')
    return problem(
      'udp port',
      `no datagram from outside arrives on port ${udpPort}`,
      'open or forward this UDP port: provers send to it',
    )
  return verdict === 'EADDRINUSE'
    ? skipped(
        'udp port',
        `port ${udpPort} is in use, by the daemon if it runs: stop it to have the port checked`,
      )
    : problem(
        'udp port',
        `cannot listen on ${host} port ${udpPort} (${verdict})`,
        'correct dataPlane.host and udpPort',
      )
}

function tcpFinding(port: number, verdict: string | undefined, needed: boolean): Finding {
  if (verdict === 'ok') return ok('tcp port', `port ${port} can be reached from outside`)
  const message = `port ${port} cannot be reached from outside (${verdict ?? 'not tried'})`
  return needed
    ? problem('tcp port', message, `start the daemon, then open or forward TCP port ${port}`)
    : warning('tcp port', message, 'a prover can do without: name a relay in network.relays')
}
