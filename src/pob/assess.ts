/**
 * From evidence to numbers (docs/protocol.md sections 8 and 9): checks every signature, recomputes every digest, and
 * aggregates. Members run it before they vote, `verify` runs it years later, and both get the same integers.
 */

import { verifySignature } from '../crypto/identity.js'
import { arrivalDigests } from '../crypto/keystream.js'
import { UserError } from '../errors.js'
import { estimate } from './aggregate/estimate.js'
import { guaranteed } from './aggregate/guaranteed.js'
import { publishedRule } from './aggregate/published.js'
import { upperMedian } from './aggregate/statistics.js'
import type { TeamMeasurement } from './aggregate/team-value.js'
import { decodeOrder, orderLength, type Run } from './arrival-order.js'
import { capBps, teamMembers } from './committee.js'
import {
  dirtyLimitMicros,
  ENOUGH_CLAIM_SHARE,
  MAX_ATTEMPTS,
  PACKET_BITS,
  packetCountOf,
  RTT_CAP_MICROS,
} from './constants.js'
import type { Evidence } from './evidence.js'
import type { Fault, FaultCode } from './fault.js'
import { type QualityFlag, qualityFlags } from './flags.js'
import { addressBytesOf, sameBytes } from './party.js'
import { isAllOn, planDigest, planFault } from './plan.js'
import { acceptanceDigest, digestsOf, Profile, requestFault } from './request.js'
import {
  ackListDigest,
  type Capture,
  capturedRoots,
  captureFault,
  commitmentDigest,
  type SlotRecord,
  seedHashOf,
  type Testimony,
  testimonyDigest,
} from './slot.js'
import type { ChallengeDigests } from './structures.js'

/** One member in one slot's counted attempt. */
export interface MemberOutcome {
  /** Index in the committee. */
  readonly member: number
  readonly committed: boolean
  readonly testified: boolean
  /** The revealed seed is the one committed to. */
  readonly opened: boolean
  /** It is, and its keystream gives the digests. */
  readonly proven: boolean
  readonly equivocal: boolean
  readonly sentPackets: number
  readonly receivedPackets: number
  readonly rttMicros: number | undefined
  readonly latenessMicros: number | undefined
}

export interface SlotOutcome {
  readonly slot: number
  readonly attempt: number
  /** True where a member was late in this attempt. */
  readonly dirty: boolean
  readonly failed: boolean
  readonly team: TeamMeasurement
  readonly members: readonly MemberOutcome[]
}

export interface Assessment {
  /** Empty where the evidence is in order. */
  readonly faults: readonly Fault[]
  readonly guaranteedKbps: number
  readonly estimateKbps: number
  readonly interval: { readonly lowKbps: number; readonly highKbps: number }
  /** Counted attempts, one a slot. */
  readonly slots: readonly (SlotOutcome & { readonly valueKbps: number })[]
  /** Bit i set: member i revealed the seed it committed to in every attempt of its slot. 32 bytes, big-endian. */
  readonly owed: Uint8Array
  readonly flags: readonly QualityFlag[]
  readonly roundTripMicros: readonly number[]
  readonly repeats: number
}

class FaultList {
  readonly faults: Fault[] = []
  add(code: FaultCode, message: string): void {
    this.faults.push({ code, message })
  }
}

const place = (record: { slot: number; attempt: number }) => `slot ${record.slot}, attempt ${record.attempt}`

/** Checks the parts that come before the slots. True where request and plan give the slots a meaning. */
function checkHead(evidence: Evidence, digests: ChallengeDigests, out: FaultList): boolean {
  const { request, plan } = evidence
  const wrong = requestFault(request)
  if (wrong !== undefined) out.add('request_invalid', `request: ${wrong}`)
  if (!verifySignature(request.payer, digests.challengeId, evidence.payerSignature))
    out.add('payer_signature', 'the request does not carry the signature of its payer')
  const accepted = acceptanceDigest(digests, evidence.acceptedAt)
  if (!verifySignature(request.prover, accepted, evidence.acceptanceSignature))
    out.add('acceptance_signature', 'the acceptance does not carry the signature of the prover')
  const planWrong = planFault(request, digests.challengeId, plan)
  if (planWrong !== undefined) out.add('plan_invalid', `plan: ${planWrong}`)
  if (!verifySignature(request.coordinator, planDigest(digests, plan), evidence.planSignature))
    out.add('plan_signature', 'the plan does not carry the signature of the coordinator')
  return wrong === undefined && planWrong === undefined
}

/** Slots in order, attempts in order, repeated only where that is allowed, none missing. */
function checkSequence(evidence: Evidence, out: FaultList): void {
  const { plan, request } = evidence
  let expected = { slot: 0, attempt: 0 }
  evidence.slots.forEach((record, i) => {
    const previous = evidence.slots[i - 1]
    const repeat = previous !== undefined && record.slot === previous.slot
    if (repeat) expected = { slot: previous.slot, attempt: previous.attempt + 1 }
    else if (previous !== undefined) expected = { slot: previous.slot + 1, attempt: 0 }
    if (record.slot !== expected.slot || record.attempt !== expected.attempt || record.slot >= plan.teams)
      out.add('slot_sequence', `${place(record)} stands where slot ${expected.slot} was due`)
    if (repeat && request.profile === Profile.strict)
      out.add('slot_sequence', `${place(record)}: strict repeats no slot`)
    if (repeat && record.attempt < MAX_ATTEMPTS && !isDirty(previous, plan.tauMicros))
      out.add('slot_sequence', `${place(record)} repeats an attempt that was in order`)
    if (record.commitments.length !== plan.teamSize || record.testimonies.length !== plan.teamSize)
      out.add('slot_shape', `${place(record)} has not one place for each of the ${plan.teamSize} members`)
  })
}

/** A slot may be repeated when it has no capture or one of its senders was late. */
export function isDirty(record: SlotRecord, tauMicros: number): boolean {
  if (record.capture === null) return true
  const limit = dirtyLimitMicros(tauMicros)
  return record.testimonies.some((testimony) => (testimony?.latenessMicros ?? 0) > limit)
}

function checkCapture(capture: Capture, members: number, out: FaultList, where: string): boolean {
  const fault = captureFault(capture, members)
  if (fault !== undefined) {
    out.add('capture_shape', `${where}: ${fault}`)
    return false
  }
  const falls = capture.counts.some((counts, k) =>
    counts.some((count, i) => k > 0 && count < (capture.counts[k - 1]?.[i] ?? 0)),
  )
  if (falls) out.add('capture_counts', `${where}: an ack covers fewer packets than the one before it`)
  return !falls
}

/** Assesses one attempt. */
function assessSlot(
  evidence: Evidence,
  record: SlotRecord,
  digests: ChallengeDigests,
  out: FaultList,
): SlotOutcome {
  const { plan } = evidence
  const where = place(record)
  const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
  const indices = teamMembers(plan, record.slot)
  const capture =
    record.capture !== null && checkCapture(record.capture, plan.teamSize, out, where) ? record.capture : null
  let ackList: Uint8Array | undefined
  if (capture !== null) {
    ackList = ackListDigest(digests, record, capturedRoots(capture))
    if (!verifySignature(evidence.request.prover, ackList, capture.signature)) {
      out.add('ack_list_signature', `${where}: the acks do not carry the signature of the prover`)
      ackList = undefined
    }
  }
  const ackCount = capture?.counts.length ?? 0
  const bits: number[][] = Array.from({ length: ackCount }, () => [])
  const own: (number | null)[][] = Array.from({ length: ackCount }, () => [])

  const members = indices.map((member, i): MemberOutcome => {
    const key = plan.committee[member] ?? new Uint8Array(33)
    const commitment = record.commitments[i] ?? null
    const testimony = record.testimonies[i] ?? null
    if (commitment !== null) {
      if (!verifySignature(key, commitmentDigest(digests, record, commitment), commitment.signature))
        out.add('commitment_signature', `${where}: the commitment of member ${member} is not signed by it`)
      if (commitment.rateKbps !== plan.memberRateKbps || commitment.packetCount !== packetCount)
        out.add(
          'commitment_terms',
          `${where}: member ${member} committed to another rate or length than planned`,
        )
    }
    if (testimony !== null) checkTestimony(testimony, member, key)
    const runs = capture === null ? undefined : orderOf(capture, i, member)
    const opens =
      commitment !== null &&
      testimony !== null &&
      sameBytes(
        commitment.seedHash,
        seedHashOf(testimony.seed, digests.challengeId, addressBytesOf(key), record),
      )
    const equivocal =
      testimony !== null && ackList !== undefined && !sameBytes(testimony.ackListHash, ackList)
    const counts = capture?.counts.map((ack) => ack[i] ?? 0) ?? []
    const recomputed = opens && runs !== undefined ? arrivalDigests(testimony.seed, runs, counts) : undefined
    let proven = recomputed !== undefined
    for (let k = 0; k < ackCount; k++) {
      const claimed = capture?.digests[k]?.[i]
      const digest = recomputed?.[k]
      const fits = claimed !== undefined && digest !== undefined && sameBytes(claimed, digest)
      proven &&= fits
      bits[k]?.push(fits ? (counts[k] ?? 0) * PACKET_BITS : 0)
      const micros = testimony?.ownMicros[k] ?? 0
      own[k]?.push(
        testimony === null || equivocal || micros === 0 || ackList === undefined ? null : micros / 1e6,
      )
    }
    return {
      member,
      committed: commitment !== null,
      testified: testimony !== null,
      opened: opens,
      proven,
      equivocal,
      sentPackets: testimony?.sentPackets ?? 0,
      receivedPackets: counts.at(-1) ?? 0,
      rttMicros: testimony?.rttMicros,
      latenessMicros: testimony?.latenessMicros,
    }
  })

  function checkTestimony(testimony: Testimony, member: number, key: Uint8Array): void {
    if (!verifySignature(key, testimonyDigest(digests, record, testimony), testimony.signature))
      out.add('testimony_signature', `${where}: the testimony of member ${member} is not signed by it`)
    if (testimony.ownMicros.length > ackCount)
      out.add('testimony_shape', `${where}: member ${member} times more acks than there are`)
  }

  function orderOf(from: Capture, i: number, member: number): readonly Run[] | undefined {
    try {
      const runs = decodeOrder(from.orders[i] ?? new Uint8Array(0), packetCount)
      if (orderLength(runs) >= (from.counts.at(-1)?.[i] ?? 0)) return runs
      out.add('capture_order', `${where}: the arrival order of member ${member} is shorter than its last ack`)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      out.add('capture_order', `${where}, member ${member}: ${error.message}`)
    }
    return undefined
  }

  return {
    slot: record.slot,
    attempt: record.attempt,
    dirty: isDirty(record, plan.tauMicros),
    failed: record.capture === null,
    team: {
      memberCount: plan.teamSize,
      acks: bits.map((ackBits, k) => ({ bits: ackBits, ownSeconds: own[k] ?? [] })),
    },
    members,
  }
}

/** Members that revealed, in all attempts of their slot, the seed they had committed to. */
function owedBitmap(attempts: readonly SlotOutcome[]): Uint8Array {
  const kept = new Map<number, boolean>()
  for (const attempt of attempts)
    for (const { member, opened } of attempt.members) kept.set(member, (kept.get(member) ?? true) && opened)
  const bitmap = new Uint8Array(32)
  for (const [member, isOwed] of kept) {
    const index = 31 - (member >> 3)
    if (isOwed) bitmap[index] = (bitmap[index] ?? 0) | (1 << (member & 7))
  }
  return bitmap
}

export interface AssessOptions {
  /** Assess a challenge that still runs: missing slots are no fault. */
  readonly partial?: boolean
  /** Outcomes of records assessed before, for a coordinator that assesses a growing list. */
  readonly outcomes?: OutcomeCache
}

/** By record object: a record is never changed once it is made. Records with a fault are assessed anew. */
export type OutcomeCache = WeakMap<SlotRecord, SlotOutcome>

/** Pure; about 10 ms per 12.5 MB of recomputed traffic and 1.5 ms per signature. */
export function assess(evidence: Evidence, options: AssessOptions = {}): Assessment {
  const out = new FaultList()
  const { plan, request } = evidence
  const digests = digestsOf(request)
  const meaningful = checkHead(evidence, digests, out)
  checkSequence(evidence, out)
  // Numbers that contradict each other would send the rest astray, or to hours of work.
  const records = meaningful ? evidence.slots.filter(({ slot }) => slot < plan.teams) : []
  const attempts = records.map((record) => assessSlot(evidence, record, digests, out))
  const counted = attempts.filter((attempt, i) => attempts[i + 1]?.slot !== attempt.slot)
  const teams = counted.map((attempt) => attempt.team)
  const strict = request.profile === Profile.strict
  // Strict fixes G beforehand: a slot that never ran is worth nothing. Otherwise j follows the slots that ran.
  while (strict && teams.length < plan.teams) teams.push({ memberCount: plan.teamSize, acks: [] })
  const allOn = isAllOn(request, plan)
  const parameters = {
    tauSeconds: plan.tauMicros / 1e6,
    capBps: capBps(request.claimKbps),
    faulty: plan.faulty,
    cleanTeams: strict ? plan.cleanTeams : allOn ? 0 : Math.max(0, teams.length - plan.faulty),
  }
  const roundTripMicros = counted.flatMap((attempt) =>
    attempt.members.flatMap(({ rttMicros }) => (rttMicros === undefined ? [] : [rttMicros])),
  )
  const rule = guaranteed(teams, parameters)
  const enoughTeams = strict || allOn || teams.length > plan.faulty
  const guess = estimate(teams, allOn ? { ...parameters, faulty: 0 } : parameters, roundTripMicros)
  const published =
    request.profile === Profile.published
      ? publishedRule(teams[0], {
          claimBps: request.claimKbps * 1000,
          faulty: plan.faulty,
          roundTripMicros: attempts.at(-1)?.members.map((member) => member.rttMicros ?? 0) ?? [],
        })
      : undefined
  const guaranteedKbps = enoughTeams ? Math.floor((published?.guaranteedBps ?? rule.bps) / 1000) : 0
  const estimateKbps = Math.floor((published?.estimateBps ?? guess.bps) / 1000)
  if (meaningful && options.partial !== true && counted.length < plan.teams) {
    const enough =
      request.profile === Profile.standard && guaranteedKbps >= ENOUGH_CLAIM_SHARE * request.claimKbps
    if (!enough)
      out.add(
        'stopped_early',
        `${counted.length} of ${plan.teams} slots ran, and the guarantee did not allow a stop`,
      )
  }
  const highKbps = Math.min(parameters.capBps / 1000, estimateKbps * (1 + RTT_CAP_MICROS / plan.tauMicros))
  return {
    faults: out.faults,
    guaranteedKbps,
    estimateKbps,
    interval: { lowKbps: guaranteedKbps, highKbps: Math.max(guaranteedKbps, Math.floor(highKbps)) },
    slots: counted.map((attempt, g) => ({
      ...attempt,
      valueKbps: Math.floor((rule.values[g]?.[0] ?? 0) / 1000),
    })),
    owed: owedBitmap(attempts),
    flags: qualityFlags({
      claimKbps: request.claimKbps,
      estimateKbps,
      slots: counted,
      values: rule.values.map((values) => values[0] ?? 0),
      allOn,
      bounded: rule.bounded,
      roundTripMicros,
      packetCount: packetCountOf(plan.memberRateKbps, plan.tauMicros),
    }),
    roundTripMicros,
    repeats: attempts.length - counted.length,
  }
}

/** The committee's median round-trip time, or 0 where nobody testified one. */
export function medianRoundTripMicros(assessment: Assessment): number {
  return assessment.roundTripMicros.length === 0 ? 0 : upperMedian(assessment.roundTripMicros)
}
