/**
 * From evidence to numbers (docs/protocol.md sections 8 and 9): checks every signature, recomputes every digest, and
 * aggregates. Members run it before they vote, `verify` runs it years later, and both get the same integers.
 */

import { verifySignature } from '../crypto/identity.js'
import { estimate } from './aggregate/estimate.js'
import { guaranteed } from './aggregate/guaranteed.js'
import { publishedRule } from './aggregate/published.js'
import { upperMedian } from './aggregate/statistics.js'
import { assessEchoSlot } from './assess-echo.js'
import {
  assessSlot,
  isDirty,
  type MemberOutcome,
  mayRepeat,
  mostAttempts,
  placeOf,
  type SlotOutcome,
} from './assess-slot.js'
import { capBps } from './committee.js'
import { creditCapMicros, ENOUGH_CLAIM_SHARE, MAX_ATTEMPTS, packetCountOf } from './constants.js'
import type { Evidence } from './evidence.js'
import { type Fault, FaultList } from './fault.js'
import { type QualityFlag, qualityFlags } from './flags.js'
import { isAllOn, planDigest, planFault } from './plan.js'
import { acceptanceDigest, Direction, digestsOf, Profile, requestFault } from './request.js'
import { attemptsToAssess, type SlotRecord } from './slot.js'
import type { ChallengeDigests } from './structures.js'

export { isDirty, type MemberOutcome, mayRepeat, mostAttempts, type SlotOutcome }

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
      out.add('slot_sequence', `${placeOf(record)} stands where slot ${expected.slot} was due`)
    if (repeat && request.profile === Profile.strict)
      out.add('slot_sequence', `${placeOf(record)}: strict repeats no slot`)
    else if (repeat && record.attempt < MAX_ATTEMPTS && !mayRepeat(request.profile, previous, plan.tauMicros))
      out.add('slot_sequence', `${placeOf(record)} repeats an attempt that its profile does not`)
    if (record.commitments.length !== plan.teamSize || record.testimonies.length !== plan.teamSize)
      out.add('slot_shape', `${placeOf(record)} has not one place for each of the ${plan.teamSize} members`)
  })
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
  /** Shapes and signatures alone: no traffic is recomputed, the numbers say nothing, and missing slots are no fault. */
  readonly signaturesOnly?: boolean
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
  const records = meaningful ? attemptsToAssess(evidence.slots, plan.teams) : []
  const recompute = options.signaturesOnly !== true
  const isUplink = request.direction === Direction.up
  const attempts = records.map((record) => {
    const known = options.outcomes?.get(record)
    if (known !== undefined) return known
    const faultsBefore = out.faults.length
    const outcome = isUplink
      ? assessEchoSlot(evidence, record, digests, out)
      : assessSlot(evidence, record, digests, out, recompute)
    if (out.faults.length === faultsBefore) options.outcomes?.set(record, outcome)
    return outcome
  })
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
    allOn,
  }
  const roundTripMicros = counted.flatMap((attempt) =>
    attempt.members.flatMap(({ rttMicros }) => (rttMicros === undefined ? [] : [rttMicros])),
  )
  const rule = guaranteed(teams, parameters)
  const enoughTeams = strict || allOn || teams.length > plan.faulty
  const guess = estimate(
    teams,
    allOn ? { ...parameters, faulty: 0 } : parameters,
    counted.map((attempt) => attempt.members.map(({ rttMicros }) => rttMicros)),
  )
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
  if (meaningful && recompute && options.partial !== true && counted.length < plan.teams) {
    const enough =
      request.profile === Profile.standard && guaranteedKbps >= ENOUGH_CLAIM_SHARE * request.claimKbps
    if (!enough)
      out.add(
        'stopped_early',
        `${counted.length} of ${plan.teams} slots ran, and the guarantee did not allow a stop`,
      )
  }
  const creditShare = creditCapMicros(plan.tauMicros) / plan.tauMicros
  const highKbps = Math.min(parameters.capBps / 1000, estimateKbps * (1 + creditShare))
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
      isUplink,
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
