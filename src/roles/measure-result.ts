/** The result of `measure --json`: what a challenge's outcome says to people and programs. */

import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { addressOfPublicKey } from '../crypto/address.js'
import { peerIdOfPublicKey } from '../crypto/peer-id.js'
import { type MemberOutcome, medianRoundTripMicros } from '../pob/assess.js'
import { PACKET_BYTES } from '../pob/constants.js'
import type { QualityFlag } from '../pob/flags.js'
import { Direction, type DirectionName, directionName, type ProfileName } from '../pob/request.js'
import type { AvailableBandwidth } from '../pob/telemetry/available.js'
import type { ChallengeOutcome } from './coordinator.js'
import { type Telemetry, telemetryOf } from './telemetry.js'

/** The prover's worker was busy for more than this share of the slots: its box may be the limit. */
const CPU_LIMITED_PERMILLE = 950
/** A packet lost at the prover's socket rather than on the link counts against the box, too. */
const OVERFLOW_SHARE = 0.005

export interface ChallengerReport {
  readonly peerId: string
  readonly address: string
  /** True where its keystream was proven and its testimony counts. */
  readonly accepted: boolean
  /** Layer-3 bytes that arrived from it. */
  readonly bytes: number
  readonly startMs: number
  readonly endMs: number
  readonly rttMs: number | null
  readonly flags: readonly string[]
}

export interface MeasureResult {
  readonly challengeId: string
  readonly prover: string
  /** up: by echo, so that it is the lesser of both directions. */
  readonly direction: DirectionName
  readonly profile: ProfileName
  readonly claimMbps: number
  readonly estimateMbps: number
  readonly guaranteedMbps: number
  readonly interval: { readonly lowMbps: number; readonly highMbps: number }
  readonly durationMs: number
  /** Layer-3 bytes that the challengers sent; of an uplink twice as many, since all of it goes back. */
  readonly bytes: number
  /** Most that it moved: the trains that failed, were repeated or sought the available bandwidth, and probes and acks as well. */
  readonly trafficBytes: number
  readonly packets: number
  readonly slots: readonly { readonly team: number; readonly valueMbps: number; readonly attempt: number }[]
  readonly lossPct: number
  readonly rttMs: { readonly min: number; readonly median: number }
  readonly jitterMs: number
  readonly telemetry: Telemetry
  readonly challengers: readonly ChallengerReport[]
  readonly faultTolerance: {
    readonly n: number
    readonly f: number
    readonly teams: number
    readonly members: number
    readonly assumptions: string
  }
  /** Strict, several attempts: all that were made; this result is the one with the best guarantee. */
  readonly bestOf?: readonly { readonly challengeId: string; readonly guaranteedMbps: number }[]
  /** Beside other traffic, as the prover saw it; where it was asked for. */
  readonly available?: {
    readonly guaranteed: false
    readonly rateMbps: number
    /** The highest rate tried passed. */
    readonly isLimited: boolean
    readonly steps: readonly {
      readonly rateMbps: number
      readonly deliveredPct: number
      readonly queueGrowthMs: number
      readonly passed: boolean
    }[]
  }
  readonly quality: readonly QualityFlag[]
  readonly tauMs: number
  readonly transcript: { readonly path: string; readonly sha256: string }
  /** Slots run, repeats included, less the slots counted. */
  readonly repeats: number
  readonly attempts: number
  readonly beacon: { readonly kind: 'drand' | 'local'; readonly round: number }
  readonly trust: {
    readonly registry: string
    readonly beacon: string
    readonly level: 'anchored' | 'settled'
  }
  /** Of a challenge on a chain. */
  readonly settlement?: Settlement
}

/** Amounts in wei, as decimal texts. */
export interface Settlement {
  readonly chainId: number
  /** Of the transaction that settled it; null where it is not settled. */
  readonly txHash: string | null
  /** Of the payer's transactions. */
  readonly gasUsed: number
  readonly feeWei: string
  readonly transactions: readonly {
    readonly step: string
    readonly txHash: string
    readonly gasUsed: number
    readonly feeWei: string
  }[]
  /** What members are owed, from the end of the dispute window on: their cold wallets claim it. */
  readonly paid: readonly { readonly address: string; readonly amountWei: string }[]
  /** Comes back to the payer when the challenge is closed. */
  readonly refundWei: string
}

export interface ResultContext {
  readonly profile: ProfileName
  readonly beaconKind: 'drand' | 'local'
  readonly transcriptPath: string
  readonly settlement?: Settlement
}

const round = (value: number, digits: number) => Number(value.toFixed(digits))
const mbps = (kbps: number) => round(kbps / 1000, 3)

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The guarantee's assumption in words: it stands beside the number wherever a person reads it. */
export function assumptionOf(outcome: ChallengeOutcome): string {
  const { plan, request, committee } = outcome
  const n = plan.committee.length
  if (request.profile === 2)
    return (
      `holds with probability >= ${1 - request.deltaMillionths / 1e6} if at most ` +
      `${request.betaMillionths / 1e4} % of the registry is corrupt`
    )
  if (request.profile === 3) return 'the published rule: a prover that delays probes can break it'
  const run = assessedTeams(outcome)
  const rule = committee.allOn
    ? 'all of them sent at once'
    : `${run} ${run === 1 ? 'team' : 'teams'} of ${plan.teamSize} ran`
  const assumption =
    plan.faulty === 0
      ? n === 1
        ? 'if this challenger is honest'
        : `if all of these ${n} challengers are honest`
      : `if at most ${plan.faulty} of these ${n} challengers ${plan.faulty === 1 ? 'is' : 'are'} corrupt`
  const word = request.direction === Direction.up ? '; what came back is their word' : ''
  return `holds ${assumption}, whatever the prover does (${rule}${word})`
}

function assessedTeams({ assessment }: ChallengeOutcome): number {
  return assessment.slots.length
}

function memberFlags(outcome: MemberOutcome): string[] {
  const flags: string[] = []
  if (!outcome.committed) flags.push('no_commitment')
  if (outcome.committed && !outcome.testified) flags.push('seed_withheld')
  if (outcome.testified && !outcome.proven) flags.push('not_proven')
  if (outcome.equivocal) flags.push('equivocation')
  return flags
}

export function measureResult(outcome: ChallengeOutcome, context: ResultContext): MeasureResult {
  const { assessment, plan, request, statistics } = outcome
  const outcomes = assessment.slots.flatMap((slot) => slot.members.map((member) => ({ slot, member })))
  const sent = outcomes.reduce((sum, { member }) => sum + member.sentPackets, 0)
  const arrived = outcomes.reduce((sum, { member }) => sum + member.receivedPackets, 0)
  const everySent = outcome.evidence.slots
    .flatMap((slot) => slot.testimonies)
    .reduce((sum, testimony) => sum + (testimony?.sentPackets ?? 0), 0)
  const quality: QualityFlag[] = [...assessment.flags]
  if (statistics.some((slot) => slot.kernelTimestamps === 0)) quality.push('user_timestamps')
  const boxLimits = statistics.some(
    (slot) => slot.busyPermille > CPU_LIMITED_PERMILLE || slot.overflow > OVERFLOW_SHARE * slot.packets,
  )
  if (boxLimits) quality.push('cpu_limited')
  const rtts = assessment.roundTripMicros
  return {
    challengeId: `0x${bytesToHex(outcome.challengeId)}`,
    prover: peerIdOfPublicKey(request.prover),
    direction: directionName(request.direction) ?? 'down',
    profile: context.profile,
    claimMbps: mbps(request.claimKbps),
    estimateMbps: mbps(assessment.estimateKbps),
    guaranteedMbps: mbps(assessment.guaranteedKbps),
    interval: { lowMbps: mbps(assessment.interval.lowKbps), highMbps: mbps(assessment.interval.highKbps) },
    durationMs: Math.round(outcome.durationMs),
    bytes: everySent * PACKET_BYTES * (request.direction === Direction.up ? 2 : 1),
    trafficBytes: outcome.trafficBytes,
    packets: everySent,
    slots: assessment.slots.map((slot) => ({
      team: slot.slot,
      valueMbps: mbps(slot.valueKbps),
      attempt: slot.attempt,
    })),
    lossPct: sent === 0 ? 0 : round(Math.max(0, 100 * (1 - arrived / sent)), 2),
    rttMs: {
      min: round(Math.min(...(rtts.length === 0 ? [0] : rtts)) / 1000, 3),
      median: round(medianRoundTripMicros(assessment) / 1000, 3),
    },
    jitterMs: round(mean(statistics.map((slot) => slot.jitterMicros)) / 1000, 3),
    telemetry: telemetryOf(outcome),
    challengers: plan.committee.map((key, index) => challengerReport(outcome, key, index)),
    faultTolerance: {
      n: plan.committee.length,
      f: plan.faulty,
      teams: plan.teams,
      members: plan.teamSize,
      assumptions: assumptionOf(outcome),
    },
    ...(outcome.available === undefined ? {} : { available: availableOf(outcome.available) }),
    quality,
    tauMs: plan.tauMicros / 1000,
    transcript: { path: context.transcriptPath, sha256: bytesToHex(sha256(outcome.transcript)) },
    repeats: assessment.repeats,
    attempts: outcome.evidence.slots.length,
    ...(context.settlement === undefined ? {} : { settlement: context.settlement }),
    beacon: { kind: context.beaconKind, round: request.beaconRound },
    trust: {
      registry: bytesToHex(request.registryHash),
      beacon: bytesToHex(request.beaconChain),
      level: context.settlement?.txHash ? 'settled' : 'anchored',
    },
  }
}

function availableOf({
  rateKbps,
  isLimited,
  steps,
}: AvailableBandwidth): NonNullable<MeasureResult['available']> {
  return {
    guaranteed: false,
    rateMbps: mbps(rateKbps),
    isLimited,
    steps: steps.map((step) => ({
      rateMbps: mbps(step.rateKbps),
      deliveredPct: round(100 * step.deliveredShare, 2),
      queueGrowthMs: round(step.growthMicros / 1000, 3),
      passed: step.passed,
    })),
  }
}

function challengerReport(outcome: ChallengeOutcome, key: Uint8Array, index: number): ChallengerReport {
  const { assessment, unresponsive } = outcome
  const slot = assessment.slots.find((each) => each.members.some((member) => member.member === index))
  const member = slot?.members.find((each) => each.member === index)
  const lastOwn = Math.max(
    0,
    ...(slot?.team.acks ?? []).map((ack) => ack.ownSeconds[index % outcome.plan.teamSize] ?? 0),
  )
  const flags = member === undefined ? ['not_needed'] : memberFlags(member)
  if (unresponsive.includes(index)) flags.push('unresponsive')
  return {
    peerId: peerIdOfPublicKey(key),
    address: addressOfPublicKey(key),
    accepted: member?.proven ?? false,
    bytes: (member?.receivedPackets ?? 0) * PACKET_BYTES,
    startMs: 0,
    endMs: round(lastOwn * 1000, 1),
    rttMs: member?.rttMicros === undefined ? null : round(member.rttMicros / 1000, 3),
    flags,
  }
}
