/** The plan (docs/protocol.md section 5): one a challenge, signed by the coordinator, recomputed by everybody. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { encode } from '../crypto/cbor.js'
import { array, bytes, type Infer, integer, object } from '../crypto/cbor-schema.js'
import { quantile } from './aggregate/statistics.js'
import type { Committee } from './committee.js'
import {
  MAX_COMMITTEE,
  MAX_TAU_MICROS,
  MIN_TAU_MICROS,
  offeredKbps,
  PROTOCOL_VERSION,
  PUBLISHED_TAU_MICROS,
  QUICK_TAU_MICROS,
  TAU_PER_ROUND_TRIP,
} from './constants.js'
import { cleanTeams, faultyMembers, millionths } from './parameters.js'
import { sameBytes } from './party.js'
import { Direction, hash, Profile, publicKey, type Request } from './request.js'
import { type ChallengeDigests, PLAN } from './structures.js'

export const planSchema = object({
  version: integer({ min: 1, max: 1 }),
  challengeId: hash,
  beaconSignature: bytes({ length: 48 }),
  committee: array(publicKey, { min: 1, max: MAX_COMMITTEE }),
  teamSize: integer({ min: 1, max: MAX_COMMITTEE }),
  teams: integer({ min: 1, max: MAX_COMMITTEE }),
  faulty: integer({ min: 0, max: MAX_COMMITTEE }),
  cleanTeams: integer({ min: 0, max: MAX_COMMITTEE }),
  tauMicros: integer({ min: QUICK_TAU_MICROS, max: MAX_TAU_MICROS }),
  memberRateKbps: integer({ min: 1, max: 120_000_000 }),
})
export type Plan = Infer<typeof planSchema>

/** The one slot length that a profile of a single train has. */
function fixedTauMicros(profile: number): number | undefined {
  if (profile === Profile.quick) return QUICK_TAU_MICROS
  return profile === Profile.published ? PUBLISHED_TAU_MICROS : undefined
}

/** The longest slot that a plan of this profile may have: what a request can cost at most is reckoned with it. */
export function longestTauMicros(profile: number): number {
  return fixedTauMicros(profile) ?? MAX_TAU_MICROS
}

/** Slot length advised for the committee's round-trip times. */
export function advisedTauMicros(profile: number, roundTripMicros: readonly number[]): number {
  const fixed = fixedTauMicros(profile)
  if (fixed !== undefined) return fixed
  if (roundTripMicros.length === 0) return MIN_TAU_MICROS
  const wanted = Math.ceil(TAU_PER_ROUND_TRIP * quantile(roundTripMicros, 0.9))
  return Math.min(MAX_TAU_MICROS, Math.max(MIN_TAU_MICROS, wanted))
}

export function makePlan(
  challengeId: Uint8Array,
  beaconSignature: Uint8Array,
  committee: Committee,
  tauMicros: number,
): Plan {
  return {
    version: PROTOCOL_VERSION,
    challengeId,
    beaconSignature,
    committee: committee.members.map((member) => member.publicKey),
    teamSize: committee.teamSize,
    teams: committee.teams,
    faulty: committee.faulty,
    cleanTeams: committee.cleanTeams,
    tauMicros,
    memberRateKbps: committee.memberRateKbps,
  }
}

export function planHashOf(plan: Plan): Uint8Array {
  return sha256(encode(plan))
}

export function planDigest(digests: ChallengeDigests, plan: Plan): Uint8Array {
  return digests.digest(PLAN, { planHash: planHashOf(plan) })
}

/** What a coordinator signed, without the plan itself. */
export interface PlanStatement {
  /** 32 bytes. */
  readonly planHash: Uint8Array
  /** 65 bytes. */
  readonly signature: Uint8Array
}

export function planStatementDigest(digests: ChallengeDigests, { planHash }: PlanStatement): Uint8Array {
  return digests.digest(PLAN, { planHash })
}

/** One team of everybody, because the profile wants it or no f + 1 teams could be had. */
export function isAllOn(request: Request, plan: Pick<Plan, 'teams' | 'faulty'>): boolean {
  const single = request.profile === Profile.quick || request.profile === Profile.published
  return single || (request.profile !== Profile.strict && plan.teams === 1 && plan.faulty > 0)
}

/** What is wrong with a plan's numbers whatever the registry says, or undefined. */
export function planFault(request: Request, challengeId: Uint8Array, plan: Plan): string | undefined {
  if (!sameBytes(plan.challengeId, challengeId)) return 'the plan is of another challenge'
  const keys = new Set(plan.committee.map(bytesToHex))
  if (keys.size !== plan.committee.length) return 'the committee names a member twice'
  if (plan.committee.length > request.committeeSize) return 'the committee is larger than asked for'
  if (plan.teamSize * plan.teams > plan.committee.length) return 'the teams need more members than were drawn'
  if (request.direction === Direction.up && (plan.teamSize !== 1 || isAllOn(request, plan)))
    return 'an uplink is measured by teams of one'
  if (plan.teams > request.teams) return 'the plan runs more teams than asked for'
  if (plan.committee.length <= plan.faulty)
    return 'the committee is not larger than the faults it must tolerate'
  if (request.profile !== Profile.strict) {
    if (plan.faulty !== request.faulty) return "the plan's faulty is not the request's"
    if (!isAllOn(request, plan) && plan.teams <= plan.faulty)
      return `${plan.teams} teams prove nothing with ${plan.faulty} faults`
    if (plan.cleanTeams !== (isAllOn(request, plan) ? 0 : plan.teams - plan.faulty))
      return 'cleanTeams is not teams less faulty'
  } else if (plan.teams !== request.teams || plan.cleanTeams === 0 || plan.cleanTeams > plan.teams) {
    return 'strict runs the teams asked for, and counts on one of them at least'
  } else if (request.chainId !== 0) {
    // Of a registry file they follow from its pool as well: planDiffers.
    const beta = millionths(request.betaMillionths)
    const delta = millionths(request.deltaMillionths)
    const clean = cleanTeams(beta, delta, plan.teams, plan.teamSize)
    const faulty = faultyMembers(beta, delta, plan.teams * plan.teamSize)
    if (plan.cleanTeams !== clean || plan.faulty !== faulty)
      return 'cleanTeams and faulty do not follow from beta and delta'
  }
  if (plan.memberRateKbps !== Math.ceil(offeredKbps(request.claimKbps) / plan.teamSize))
    return 'memberRateKbps is not the offered rate over the team size'
  const fixed = fixedTauMicros(request.profile)
  if (fixed === undefined ? plan.tauMicros < MIN_TAU_MICROS : plan.tauMicros !== fixed)
    return `a slot of ${plan.tauMicros} us does not fit the profile`
  return undefined
}

/** What differs between a plan and the committee drawn from a registry, or undefined. */
export function planDiffers(plan: Plan, committee: Committee): string | undefined {
  const drawn = committee.members.map((member) => bytesToHex(member.publicKey)).join()
  if (plan.committee.map(bytesToHex).join() !== drawn)
    return 'the committee is not the one that the beacon draws'
  for (const field of ['teamSize', 'teams', 'faulty', 'cleanTeams', 'memberRateKbps'] as const)
    if (plan[field] !== committee[field])
      return `${field} is ${plan[field]}, drawn from the registry it is ${committee[field]}`
  return undefined
}
