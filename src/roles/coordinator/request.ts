/** The request of a challenge, and the prover's acceptance before anybody knows the round. */
import { randomBytes } from 'node:crypto'
import { bytesToHex } from '@noble/hashes/utils.js'
import { verifySignature } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import {
  MIN_TAU_MICROS,
  offeredKbps,
  PACKET_BYTES,
  PROTOCOL_VERSION,
  PUBLISHED_TAU_MICROS,
  packetCountOf,
  QUICK_TAU_MICROS,
} from '../../pob/constants.js'
import { acceptanceDigest, Direction, Profile, type Request } from '../../pob/request.js'
import { type Admission, REQUEST_MESSAGE } from '../control-messages.js'
import { maxBytesOf } from '../prover/challenge.js'
import type { DrawnCommittee, VenueTerms } from '../venue.js'
import type { CoordinatorRun } from './run.js'
import type { ChallengeOrder, CoordinatorModules } from './types.js'

/** Of a strict challenge where nobody names others. */
const STRICT_TEAMS = 5
export const DEFAULT_BETA_MILLIONTHS = 100_000
export const DEFAULT_DELTA_MILLIONTHS = 10_000

/** Slots that a challenge has at most. */
export function teamsOf({ profile, faulty, teams = STRICT_TEAMS }: ChallengeOrder): number {
  if (profile === 'quick' || profile === 'published') return 1
  return profile === 'strict' ? teams : 2 * faulty + 1
}

export function makeRequest(order: ChallengeOrder, modules: CoordinatorModules, terms: VenueTerms): Request {
  const { publicKey } = modules.identity
  const strict = order.profile === 'strict'
  return {
    version: PROTOCOL_VERSION,
    ...terms,
    prover: order.prover.publicKey,
    payer: publicKey,
    coordinator: publicKey,
    direction: Direction[order.direction ?? 'down'],
    profile: Profile[order.profile],
    claimKbps: order.claimKbps,
    committeeSize: order.committeeSize,
    faulty: strict ? 0 : order.faulty,
    teams: teamsOf(order),
    betaMillionths: strict ? (order.betaMillionths ?? DEFAULT_BETA_MILLIONTHS) : 0,
    deltaMillionths: strict ? (order.deltaMillionths ?? DEFAULT_DELTA_MILLIONTHS) : 0,
    salt: new Uint8Array(randomBytes(32)),
  }
}

/** Request and acceptance, before the round is out that nobody knows yet. */
export async function accept(run: CoordinatorRun): Promise<Omit<Admission, 'beaconSignature'>> {
  const { control, identity, venue, now } = run.modules
  const request = run.request
  await venue.requireCommittee(request, run.signal)
  const payerSignature = identity.sign(run.digests.challengeId)
  const answer = await control.request(
    run.order.prover,
    REQUEST_MESSAGE,
    { request, payerSignature },
    run.options(),
  )
  run.accepted = true
  const digest = acceptanceDigest(run.digests, answer.acceptedAt)
  if (!verifySignature(request.prover, digest, answer.signature))
    throw new UserError('the prover answered with a signature that is not its own', {
      code: 'BAD_MESSAGE',
      remedy: 'check the prover id',
    })
  run.progress({
    event: 'requested',
    challengeId: bytesToHex(run.digests.challengeId),
    round: request.beaconRound,
    waitSeconds: Math.max(0, venue.roundTime(request) - now() / 1000),
    leastBytes: leastBytesOf(request),
    mostBytes: maxBytesOf(request),
  })
  const { acceptedAt, signature: acceptanceSignature } = answer
  const { challengeId } = run.digests
  await venue.opened({ request, challengeId, acceptedAt, acceptanceSignature }, run.signal)
  return { request, payerSignature, acceptedAt, acceptanceSignature }
}

/** What the slots of a request move with short round trips and punctual senders; standard stops after f + 1 of them. */
function leastBytesOf({ profile, claimKbps, faulty, teams, direction }: Request): number {
  const tauMicros =
    profile === Profile.quick
      ? QUICK_TAU_MICROS
      : profile === Profile.published
        ? PUBLISHED_TAU_MICROS
        : MIN_TAU_MICROS
  const slots = profile === Profile.standard ? faulty + 1 : teams
  const ways = direction === Direction.up ? 2 : 1
  return ways * slots * packetCountOf(offeredKbps(claimKbps), tauMicros) * PACKET_BYTES
}

/** The committee that the named round draws. */
export async function drawCommittee(run: CoordinatorRun): Promise<DrawnCommittee> {
  const drawn = await run.modules.venue.draw(run.request, run.signal)
  const { members, teams, teamSize, memberRateKbps, allOn } = drawn.committee
  run.progress({
    event: 'drawn',
    committee: members.map((member) => bytesToHex(member.publicKey)),
    teams,
    teamSize,
    memberRateMbps: memberRateKbps / 1000,
    allOn,
  })
  return drawn
}
