/** The payer's side: opens a host, runs challenges as their coordinator, writes transcripts. */
import './polyfills.js'
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beaconOf } from '../config/beacon.js'
import { dataPaths, expandPath } from '../config/paths.js'
import type { Config } from '../config/schema.js'
import type { Address } from '../crypto/address.js'
import type { BeaconInfo } from '../crypto/beacon.js'
import { type Identity, publicKeyOfPeerId } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import { BeaconClient } from '../p2p/beacon-client.js'
import { Direction, type DirectionName, Profile, type ProfileName } from '../pob/request.js'
import type { CoordinatorBehaviour } from '../roles/behaviour.js'
import { teamsOf } from '../roles/coordinator/request.js'
import {
  type ChallengeOrder,
  type ChallengeOutcome,
  type CoordinatorModules,
  type ProgressEvent,
  runChallenge,
} from '../roles/coordinator.js'
import { type MeasureResult, measureResult, type Settlement } from '../roles/measure-result.js'
import type { PeerTarget } from '../roles/modules.js'
import { maxBytesOf } from '../roles/prover.js'
import { RegistryVenue } from '../roles/registry-venue.js'
import type { DrawPool, Venue } from '../roles/venue.js'
import type { JointRecord } from '../store/history.js'
import type { Logger } from '../telemetry/logger.js'
import { openChainVenues } from './chain/payer.js'
import { DataBudget } from './data-budget.js'
import { writeFaultProof } from './fault-files.js'
import { keepInHistory, recordOfResult } from './history.js'
import { createNodeHost } from './host.js'
import { type JointMeasurement, type JointPlace, measureJoint } from './measure-joint.js'
import { RegistryFile, registryPath } from './registry-file.js'
import { bestOf, chooseTeams, mostChosenTeams } from './strict-order.js'
import { writeWhole } from './whole-file.js'

export interface MeasureOrder {
  /** Peer id, or a multiaddr that ends with /p2p/<id>. */
  readonly target: string
  /** Look for the bandwidth that other traffic leaves, too. */
  readonly available?: boolean
  /** down by default; up is measured by echo. */
  readonly direction?: DirectionName
  readonly profile: ProfileName
  readonly claimMbps: number
  /** n, challengers to draw: ten, or (strict, without teams) as many as its teams need. */
  readonly challengers?: number
  /** f, corrupt ones tolerated. */
  readonly faulty: number
  /** Strict: slots to run; chosen from beta, delta and the pool where neither they nor the challengers are named. */
  readonly teams?: number
  readonly betaMillionths?: number
  readonly deltaMillionths?: number
  /** Strict: so many fresh challenges at most, of which the best guarantee stands; delta is split over them. */
  readonly attempts?: number
  /** Where transcripts go; the data directory's folder by default. */
  readonly outDir?: string
  /** Layer-3 bytes that this node's measurements may move in a calendar month: what may exceed it is refused beforehand. */
  readonly capBytes?: number
  /** On a chain: the fee of one member in wei, and where the rest of the escrow goes back to. */
  readonly slotFeeWei?: bigint
  /** On a chain: a quote above it, gas included, is refused before anything is paid. */
  readonly maxPriceWei?: bigint
  readonly refundTo?: Address
}

export interface MeasureCall extends MeasureOrder {
  /** On a chain: asked with the price before anything is paid; without it nobody is asked. */
  readonly confirm?: (price: PriceQuote) => Promise<boolean>
  readonly onProgress?: (event: ProgressEvent) => void
  readonly signal?: AbortSignal
}

/** In wei: the members' fees, the most that gas may come to, and what the payer has. */
export interface PriceQuote {
  readonly feeWei: bigint
  readonly gasFeeWei: bigint
  readonly haveWei: bigint
}

export interface PayerOptions {
  readonly config: Config
  readonly identity: Identity
  readonly log: Logger
  /** Ask on the chain of the configuration instead of among the parties alone. */
  readonly onChain?: boolean
  /** The laboratory's corrupt coordinator only. */
  readonly behaviour?: CoordinatorBehaviour
}

export interface JointCall extends Omit<MeasureOrder, 'target'> {
  /** As MeasureOrder has it; each is measured alone, then all at once. */
  readonly targets: readonly string[]
  readonly onProgress?: (place: JointPlace, event: ProgressEvent) => void
  readonly signal?: AbortSignal
}

export interface Payer {
  measure(call: MeasureCall): Promise<MeasureResult>
  /** Not on a chain. */
  measureJoint(call: JointCall): Promise<JointMeasurement>
  close(): Promise<void>
}

interface Measured {
  readonly result: MeasureResult
  readonly transcript: Uint8Array
}

const KBPS_PER_MBPS = 1000
/** Ten members give five teams of two; two corrupt ones among ten is a fifth of them. */
const DEFAULT_CHALLENGERS = 10

function targetOf(text: string): PeerTarget {
  const peerId = text.startsWith('/') ? (/\/p2p\/([^/]+)$/.exec(text)?.[1] ?? '') : text
  try {
    return { publicKey: publicKeyOfPeerId(peerId), addresses: text.startsWith('/') ? [text] : [] }
  } catch (cause) {
    throw new UserError(`"${text}" names no prover`, {
      code: 'BAD_ARGUMENT',
      remedy: 'give its peer id (16Uiu2...) or an address like /ip4/203.0.113.7/tcp/4021/p2p/16Uiu2...',
      exitStatus: 2,
      cause,
    })
  }
}

function orderOf(call: MeasureOrder): ChallengeOrder {
  const { profile, claimMbps, challengers = DEFAULT_CHALLENGERS, faulty } = call
  const claimKbps = Math.round(claimMbps * KBPS_PER_MBPS)
  if (!(claimKbps >= 1))
    throw new UserError(`a claim of ${claimMbps} Mbit/s is too small`, {
      code: 'BAD_ARGUMENT',
      remedy: 'claim at least 0.001 Mbit/s',
      exitStatus: 2,
    })
  return {
    prover: targetOf(call.target),
    ...(call.direction === undefined ? {} : { direction: call.direction }),
    profile,
    ...(call.available === undefined ? {} : { available: call.available }),
    claimKbps,
    committeeSize: challengers,
    faulty,
    ...(call.teams === undefined ? {} : { teams: call.teams }),
    ...(call.betaMillionths === undefined ? {} : { betaMillionths: call.betaMillionths }),
    ...(call.deltaMillionths === undefined ? {} : { deltaMillionths: call.deltaMillionths }),
  }
}

const choosesTeams = ({ profile, teams, challengers }: MeasureOrder): boolean =>
  profile === 'strict' && teams === undefined && challengers === undefined

/** Most layer-3 bytes that such an order moves, known before anybody is asked. @throws UserError */
export function mostBytesOf(call: MeasureOrder): number {
  const order = orderOf(call)
  const once = choosesTeams(call) ? mostBytesFor(order, mostChosenTeams(order)) : mostBytesFor(order)
  return once * (call.attempts ?? 1)
}

/** Of one challenge. The search for available bandwidth ends before it would exceed it. */
function mostBytesFor(order: ChallengeOrder, teams = teamsOf(order)): number {
  const { claimKbps, profile, direction = 'down' } = order
  return maxBytesOf({ claimKbps, teams, profile: Profile[profile], direction: Direction[direction] })
}

/** @param extension of a transcript, or of a joint one */
async function writeTranscript(
  directory: string,
  challengeId: Uint8Array,
  content: Uint8Array,
  extension: 'pob' | 'joint' = 'pob',
): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, `${Buffer.from(challengeId).toString('hex')}.${extension}`)
  await writeWhole(path, content)
  return path
}

/** Opens the payer's host once, for one or many measurements; on a chain where the order says so. */
export async function openPayer(options: PayerOptions): Promise<Payer> {
  const { config, identity, log, onChain = false, behaviour } = options
  const beacon = beaconOf(config.beacon)
  const client = new BeaconClient({ info: beacon, urls: config.beacon.urls })
  const fetchRound = (round: number, signal?: AbortSignal) => client.round(round, signal)
  const venues = onChain
    ? await openChainVenues({ config, identity, log, beacon, fetchRound })
    : registryVenues({ config, log, beacon, fetchRound })
  const host = await createNodeHost({ config, identity, log, clientOnly: true }).catch(
    async (error: unknown) => {
      await venues.close()
      throw error
    },
  )
  const budget = new DataBudget(config.dataDir, log)
  const modulesFor = (
    venue: Venue,
    onProgress?: (event: ProgressEvent) => void,
  ): Omit<CoordinatorModules, 'onTraffic'> => ({
    identity,
    control: host,
    venue,
    now: () => Date.now(),
    log,
    keepFault: async (scope, fault) => {
      const { kind, accused } = fault
      try {
        const path = await writeFaultProof(dataPaths(config.dataDir).faults, scope, fault)
        onProgress?.({ event: 'fault', kind, accused, path })
      } catch (error) {
        log.error({ kind, accused, reason: String(error) }, 'the proof of a fault could not be kept')
      }
    },
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(behaviour === undefined ? {} : { behaviour }),
  })
  const directoryFor = ({ outDir }: Pick<MeasureOrder, 'outDir'>): string =>
    outDir === undefined ? dataPaths(config.dataDir).transcripts : expandPath(outDir)
  const keep = async (call: Pick<MeasureOrder, 'outDir' | 'profile'>, outcome: ChallengeOutcome) => {
    const transcriptPath = await writeTranscript(directoryFor(call), outcome.challengeId, outcome.transcript)
    return { profile: call.profile, beaconKind: beacon.kind, transcriptPath }
  }
  const record = (result: MeasureResult, joint?: JointRecord) =>
    keepInHistory(config.dataDir, log, () => recordOfResult(result, identity.peerId, Date.now(), joint))
  const measureOne = async (call: MeasureCall): Promise<Measured> => {
    const { venue, settlement, confirm } = venues.forOne(call)
    const order = await orderFor(call, venue)
    await confirm?.(order.committeeSize)
    const modules = modulesFor(venue, call.onProgress)
    const spending = { mostBytes: mostBytesFor(order), capBytes: call.capBytes }
    const outcome = await budget.spend(spending, (onTraffic) =>
      runChallenge(order, { ...modules, onTraffic }, call.signal),
    )
    // On the disk before it is settled: what cannot be settled now can be later, by anybody who has it.
    const context = await keep(call, outcome)
    const settled = await settlement(outcome, call.signal)
    const result = measureResult(
      outcome,
      settled === undefined ? context : { ...context, settlement: settled },
    )
    await record(result)
    return { result, transcript: outcome.transcript }
  }
  const orderFor = async (call: MeasureCall, venue: DrawPool): Promise<ChallengeOrder> => {
    const asked = orderOf(call)
    if (!choosesTeams(call)) return asked
    const { order, choice, pool } = await chooseTeams(asked, venue, identity.publicKey)
    call.onProgress?.({
      event: 'chosen',
      challengers: choice.committeeSize,
      teams: choice.teams,
      teamSize: choice.teamSize,
      cleanTeams: choice.cleanTeams,
      faulty: choice.faulty,
      pool,
      riskOfWrongGuarantee: choice.violationProbability,
    })
    return order
  }
  return {
    measure: (call) => bestOf(call, async (each) => (await measureOne(each)).result),
    measureJoint: async ({ targets, onProgress, ...call }) => {
      if (onChain)
        throw new UserError('provers are measured together without a chain', {
          code: 'BAD_ARGUMENT',
          remedy: 'leave out --on-chain and --rpc',
          exitStatus: 2,
        })
      const orders = targets.map((target) => orderOf({ ...call, target }))
      return measureJoint({
        orders,
        alone: (prover) =>
          measureOne({
            ...call,
            target: targets[prover] ?? '',
            onProgress: (event) => onProgress?.({ prover, phase: 'alone' }, event),
          }),
        kept: async (outcome, joint) => {
          const result = measureResult(outcome, await keep(call, outcome))
          await record(result, joint)
          return result
        },
        keptTogether: async (id, file) => ({
          path: await writeTranscript(directoryFor(call), id, file, 'joint'),
          sha256: createHash('sha256').update(file).digest('hex'),
        }),
        together: (run) => {
          const modules = modulesFor(venues.forOne({ ...call, target: '' }).venue)
          const mostBytes = orders.reduce((sum, order) => sum + mostBytesFor(order), 0)
          return budget.spend({ mostBytes }, (onTraffic) => run({ ...modules, onTraffic }))
        },
        ...(onProgress === undefined ? {} : { onProgress }),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      })
    },
    close: async () => {
      await host.stop()
      await venues.close()
    },
  }
}

/** One venue for each measurement. */
export interface Venues {
  forOne(call: MeasureCall): {
    readonly venue: Venue & DrawPool
    /** Asks whoever pays, where there is something to pay. @throws UserError where the answer is no */
    confirm?(committeeSize: number): Promise<void>
    /** Settles it, where that is to be done, and says what came of it. */
    settlement(outcome: ChallengeOutcome, signal?: AbortSignal): Promise<Settlement | undefined>
  }
  close(): Promise<void>
}

export interface VenueParts {
  readonly config: Config
  readonly log: Logger
  readonly beacon: BeaconInfo
  readonly fetchRound: (round: number, signal?: AbortSignal) => Promise<Uint8Array>
}

function registryVenues({ config, log, beacon, fetchRound }: VenueParts): Venues {
  const registry = new RegistryFile(registryPath(config), log, config.registry.publisher)
  const venue = new RegistryVenue({
    registry: () => registry.current(),
    beacon,
    fetchRound,
    now: () => Date.now(),
  })
  return {
    forOne: () => ({ venue, settlement: async () => undefined }),
    close: async () => {},
  }
}

/** One measurement. */
export async function measure(options: PayerOptions & MeasureCall): Promise<MeasureResult> {
  const payer = await openPayer(options)
  try {
    return await payer.measure(options)
  } finally {
    await payer.close()
  }
}
