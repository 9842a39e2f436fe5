/**
 * The composition root of a daemon: builds what the chosen roles need, starts it in order, stops it in reverse.
 * Order: store (locks first, nothing is signed without it), registry, host, data plane, roles, control socket.
 */
import './polyfills.js'
import { existsSync } from 'node:fs'
import { beaconOf } from '../config/beacon.js'
import { monthKey } from '../config/data-cap.js'
import { dataPaths } from '../config/paths.js'
import type { Config, Role } from '../config/schema.js'
import { warmUpBeacon } from '../crypto/beacon.js'
import type { Identity } from '../crypto/identity.js'
import type { BackendInfo } from '../dataplane/index.js'
import { openMemberPlane, openProverPlane } from '../dataplane/index.js'
import { UserError } from '../errors.js'
import type { ProviderBehaviour } from '../inference/provider/behaviour.js'
import { Holds } from '../inference/standing-still.js'
import { serveControlSocket } from '../p2p/control-socket.js'
import type { ChallengerBehaviour, ProverBehaviour } from '../roles/behaviour.js'
import { Challenger } from '../roles/challenger.js'
import type { RoleModules } from '../roles/modules.js'
import { Prover } from '../roles/prover.js'
import { RegistrySource } from '../roles/registry-source.js'
import { handleShared } from '../roles/shared-handlers.js'
import { openStore } from '../store/index.js'
import type { Logger } from '../telemetry/logger.js'
import { startAnnouncer } from './announcer.js'
import { keptBans } from './bans.js'
import { ChainLink, type ChainStatus } from './chain/link.js'
import { handleDialBack } from './dial-back.js'
import { keepYoungGenerationSmall } from './heap.js'
import { keepInHistory, recordOfTranscript } from './history.js'
import { createNodeHost } from './host.js'
import { type AuditorRole, type AuditorStatus, startAuditor } from './inference/auditor.js'
import { quietMember, quietProver } from './inference/precedence.js'
import { type ProviderRole, startProvider } from './inference/provider.js'
import { STANDING_STILL_FEED, tellHolds } from './inference/standing-still.js'
import { serveMetrics } from './metrics-server.js'
import { operatorPolicy } from './policy.js'
import { publisherOf, RegistryFile, registryPath } from './registry-file.js'
import { safetyStore } from './safety-store.js'

export interface DaemonOptions {
  readonly config: Config
  readonly identity: Identity
  readonly roles: readonly Role[]
  readonly log: Logger
  /** The laboratory's corrupt daemons only. */
  readonly behaviours?: {
    readonly challenger?: ChallengerBehaviour
    readonly prover?: ProverBehaviour
    readonly provider?: ProviderBehaviour
  }
}

export interface DaemonStatus {
  readonly peerId: string
  readonly address: string
  readonly roles: readonly Role[]
  readonly addresses: readonly string[]
  readonly peers: number
  readonly uptimeSeconds: number
  readonly dataPlane: BackendInfo | null
  /** Null on a node that serves challenges of its chain only. */
  readonly registry: { readonly path: string; readonly entries: number; readonly listed: boolean } | null
  /** Null where no chain is configured. */
  readonly chain: ChainStatus | null
  readonly prover: { readonly challenge: string | null; readonly bytesThisMonth: number } | null
  readonly challenger: { readonly challenges: number; readonly sentBytes: number } | null
  /** Jobs under way and served, and what of the vouchers is not redeemed yet, in wei. */
  readonly provider: ReturnType<ProviderRole['status']> | null
  /** Channels watched, and what audits found. */
  readonly auditor: AuditorStatus | null
  readonly transcripts: number
  readonly memoryMiB: number
  /** False with the reasons where the daemon cannot do its job. */
  readonly healthy: boolean
  readonly problems: readonly string[]
}

export interface Daemon {
  readonly peerId: string
  readonly addresses: readonly string[]
  status(): Promise<DaemonStatus>
  stop(): Promise<void>
}

const BYTES_PER_MIB = 2 ** 20

/** Collects what must be undone, and undoes it in reverse, whatever fails on the way. */
class Undo {
  readonly #steps: (() => Promise<void> | void)[] = []
  push(step: () => Promise<void> | void): void {
    this.#steps.push(step)
  }
  async run(log: Logger): Promise<void> {
    for (const step of this.#steps.splice(0).reverse())
      try {
        await step()
      } catch (error) {
        log.warn({ reason: String(error) }, 'a part did not stop cleanly')
      }
  }
}

/** A node of a chain, or one that measures nothing, needs no registry file; one that is named, or there, is followed. */
function openRegistry(config: Config, log: Logger, isOptional: boolean): RegistryFile | undefined {
  const path = registryPath(config)
  if (isOptional && config.registry.path === undefined && !existsSync(path)) return undefined
  return new RegistryFile(path, log, config.registry.publisher)
}

/** @throws UserError where a role lacks what it needs; nothing is left running then. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const undo = new Undo()
  try {
    return await start(options, undo)
  } catch (error) {
    await undo.run(options.log)
    throw error
  }
}

async function start(
  { config, identity, roles, log, behaviours }: DaemonOptions,
  undo: Undo,
): Promise<Daemon> {
  if (roles.length === 0)
    throw new UserError('no role was chosen', {
      code: 'BAD_ARGUMENT',
      remedy: 'name one or more with --roles prover,challenger',
      exitStatus: 2,
    })
  keepYoungGenerationSmall()
  const startedMs = Date.now()
  const paths = dataPaths(config.dataDir)
  const store = await openStore(paths.store)
  undo.push(() => store.close())
  await store.bindIdentity(identity.address)
  const chained = config.chain.rpcUrls.length > 0
  const measures = roles.includes('prover') || roles.includes('challenger')
  const registry = openRegistry(config, log, chained || !measures)
  if (registry !== undefined && config.registry.publisher === undefined)
    log.warn(
      { path: registry.path, publisher: publisherOf(registry.current()) },
      "any publisher's registry is taken: set registry.publisher to this address if you trust it",
    )
  const beacon = beaconOf(config.beacon)
  const link = chained ? new ChainLink({ config, identity, roles, beacon, store, log }) : undefined
  if (link !== undefined) {
    undo.push(() => link.stop())
    await link.start()
  }
  const host = await createNodeHost({ config, identity, log, bans: await keptBans(store, log) })
  undo.push(() => host.stop())

  const modules: RoleModules = {
    identity,
    control: host,
    store: safetyStore(store, paths.faults, (transcript, beside) =>
      keepInHistory(config.dataDir, log, () =>
        recordOfTranscript(transcript, identity.publicKey, Date.now(), beside),
      ),
    ),
    committees: [
      ...(registry === undefined ? [] : [new RegistrySource({ registry: () => registry.current(), beacon })]),
      ...(link === undefined ? [] : [link]),
    ],
    now: () => Date.now(),
    log,
  }
  // The access point comes first: while it is measured, or measures, no model runs.
  const holds = new Holds()
  const provider = roles.includes('provider')
    ? await startProvider({
        config,
        identity,
        host,
        store,
        log,
        standingStill: holds,
        ...(behaviours?.provider === undefined ? {} : { behaviour: behaviours.provider }),
      })
    : undefined
  if (provider !== undefined) {
    undo.push(() => provider.stop())
    link?.onOpen((chain) => {
      // It is in the log and in the status: free jobs go on.
      provider.payThrough(chain).catch(() => {})
    })
  }
  const auditor = roles.includes('auditor') ? await startAuditorRole() : undefined
  async function startAuditorRole(): Promise<AuditorRole> {
    if (link === undefined)
      throw new UserError('an auditor audits those who sell on a chain, and none is configured', {
        code: 'BAD_CONFIG',
        remedy: 'set chain.rpcUrls',
        exitStatus: 2,
      })
    const role = await startAuditor({ config, identity, host, log, standingStill: holds })
    undo.push(() => role.stop())
    link.onOpen((chain) => role.watch(chain))
    return role
  }
  const { backend, host: bindHost, udpPort } = config.dataPlane
  let challenger: Challenger | undefined
  let prover: Prover | undefined
  const memberPlane = roles.includes('challenger')
    ? await openMemberPlane({ backend, host: bindHost, port: udpPort })
    : undefined
  if (memberPlane !== undefined) {
    undo.push(() => memberPlane.close())
    log.info({ ...memberPlane.backend, ...memberPlane.endpoint }, 'data plane of the challenger is open')
    challenger = new Challenger(
      { maxConcurrentSlots: config.challenger.maxConcurrentSlots },
      {
        ...modules,
        plane: quietMember(memberPlane, holds.hold),
        ...(behaviours?.challenger === undefined ? {} : { behaviour: behaviours.challenger }),
      },
    )
    await challenger.start()
    const serving = challenger
    link?.serveWith((id) => serving.gatherNoResult(id))
    undo.push(() => challenger?.stop())
  }
  if (roles.includes('prover')) {
    prover = new Prover({
      ...modules,
      openPlane: async () =>
        quietProver(await openProverPlane({ backend, host: bindHost, port: 0 }), holds.hold),
      policy: operatorPolicy(config.prover, store, modules.now),
      account: async (bytes) => {
        await store.usage.add(monthKey(new Date()), bytes)
      },
      ...(behaviours?.prover === undefined ? {} : { behaviour: behaviours.prover }),
    })
    await prover.start()
    undo.push(() => prover?.stop())
  }
  await handleShared(host, {
    ...(prover === undefined ? {} : { prover }),
    ...(challenger === undefined ? {} : { challenger }),
  })
  await handleDialBack(host)
  const announcer = startAnnouncer({ config, roles }, { host, store, log })
  undo.push(() => announcer.stop())

  const status = async (): Promise<DaemonStatus> => {
    const entries = registry?.current().entries ?? []
    const listed = entries.some((entry) => Buffer.compare(entry.publicKey, identity.publicKey) === 0)
    const chain = (await link?.status()) ?? null
    const problems: string[] = [...(chain?.problems ?? [])]
    if (challenger !== undefined && registry !== undefined && !listed)
      problems.push('this challenger is not in the registry, so it is never drawn')
    if (host.connections().length === 0 && config.network.bootstrap.length > 0)
      problems.push('no peer is connected')
    const provided = provider?.status()
    if (provided?.paidJobsProblem !== undefined)
      problems.push(`paid jobs are not taken: ${provided.paidJobsProblem}`)
    if (provided?.channelsProblem !== undefined) problems.push(provided.channelsProblem)
    const counters = await memberPlane?.counters()
    return {
      peerId: identity.peerId,
      address: identity.address,
      roles,
      addresses: host.addresses(),
      peers: host.connections().length,
      uptimeSeconds: Math.round((Date.now() - startedMs) / 1000),
      dataPlane: memberPlane?.backend ?? null,
      registry: registry === undefined ? null : { path: registry.path, entries: entries.length, listed },
      chain,
      prover:
        prover === undefined
          ? null
          : {
              challenge: prover.active ?? null,
              bytesThisMonth: await store.usage.get(monthKey(new Date())),
            },
      challenger:
        challenger === undefined
          ? null
          : { challenges: challenger.active, sentBytes: counters?.sentBytes ?? 0 },
      provider: provided ?? null,
      auditor: auditor?.status() ?? null,
      transcripts: store.transcripts.count,
      memoryMiB: Math.round(process.memoryUsage.rss() / BYTES_PER_MIB),
      healthy: problems.length === 0,
      problems,
    }
  }
  const { port: metricsPort } = config.metrics
  if (metricsPort !== 'off') {
    const metrics = await serveMetrics({ host: config.metrics.host, port: metricsPort }, status)
    undo.push(() => metrics.close())
  }
  warmUpBeacon()
  const socket = await serveControlSocket(
    paths.controlSocket,
    { status, channels: async () => provider?.channels() ?? [] },
    log,
    { [STANDING_STILL_FEED]: (tell) => tellHolds(holds, tell) },
  )
  undo.push(() => socket.close())
  // A parent that holds an IPC channel (the laboratory, a supervisor) is told.
  process.send?.({ kind: 'ready' })
  return {
    peerId: identity.peerId,
    addresses: host.addresses(),
    status,
    stop: () => undo.run(log),
  }
}
