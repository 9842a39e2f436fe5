/**
 * "No result" (docs/contracts.md): where evidence never came, the members that served are paid a part for it. Any of them
 * gathers it, and signs late: once the request has expired nobody honest serves it any more. It is a Result like any other,
 * under the same lock: who signed one signs no second.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { verifySignature } from '../../crypto/identity.js'
import { packetCountOf } from '../../pob/constants.js'
import { sameBytes } from '../../pob/party.js'
import type { Plan } from '../../pob/plan.js'
import { quorum, type ResultValue, resultDigest } from '../../pob/result.js'
import { commitmentDigest } from '../../pob/slot.js'
import { sourceFor } from '../committee-source.js'
import { NO_RESULT_MESSAGE, SERVED_MESSAGE, type Served } from '../control-messages.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import type { Challenge } from './challenge.js'
import type { ChallengeTable } from './table.js'

const OWED_BYTES = 32
/** Each of two rounds; who is slower is not counted. */
const DEADLINE_MS = 4_000

export interface NoResult {
  /** Compressed keys, in committee order. */
  readonly committee: readonly Uint8Array[]
  readonly result: ResultValue
  /** By member; null for who did not sign. */
  readonly signatures: readonly (Uint8Array | null)[]
}

type Planned = Challenge & { readonly plan: Plan }

/** What this member committed to, for whoever gathers. @throws Refusal */
export async function tellServed(table: ChallengeTable, challengeId: Uint8Array, remote: Remote) {
  const challenge = known(table, challengeId)
  requireMember(challenge, remote)
  await requireOverdue(table, challenge)
  return { served: ownService(challenge) }
}

/** Signs "no result" for the members whose commitments are shown. @throws Refusal */
export async function signNoResult(
  table: ChallengeTable,
  { challengeId, served }: { readonly challengeId: Uint8Array; readonly served: readonly (Served | null)[] },
  remote: Remote,
) {
  const challenge = known(table, challengeId)
  requireMember(challenge, remote)
  await requireOverdue(table, challenge)
  const { digests, memberIndex, plan } = challenge
  ensure(served.length === plan.committee.length, 'bad_request', 'there is not one place for each member')
  served.forEach((each, member) => {
    const isOwn = each === null || isService(challenge, member, each)
    ensure(isOwn, 'bad_request', `the commitment of member ${member} is not its own for this plan`)
  })
  const isLeftOut = ownService(challenge) !== null && served[memberIndex] === null
  ensure(!isLeftOut, 'conflict', 'the service of this member is left out')
  // A vote says that there is evidence: then a result can be had, and this would deny it.
  const voted = await table.modules.store.lockedDigest(`${challenge.id}/vote`)
  ensure(voted === undefined, 'conflict', 'this member voted for evidence of this challenge')
  const digest = resultDigest(digests, noResultOf(served))
  await table.once(challenge, 'result', digest)
  return { signature: table.modules.identity.sign(digest) }
}

/** Asks every member what it served, then for its signature. Undefined where too few answered, or nobody served. */
export async function gatherNoResult(table: ChallengeTable, id: string): Promise<NoResult | undefined> {
  const challenge = table.remembered(id)
  if (challenge === undefined || !isPlanned(challenge)) return undefined
  const { control, identity } = table.modules
  const { committee, digests, plan } = challenge
  const { challengeId } = digests
  const needed = quorum(plan.committee.length, plan.faulty)
  const self: Remote = { publicKey: identity.publicKey, peerId: identity.peerId }
  const isSelf = (member: number) => member === challenge.memberIndex
  const askAll = <T>(ask: (member: number) => Promise<T>): Promise<(T | undefined)[]> =>
    Promise.all(committee.members.map((_, member) => ask(member).catch(() => undefined)))
  const targetOf = (member: number) => {
    const target = committee.members[member]
    if (target === undefined) throw new Error(`no member ${member}`)
    return target
  }
  const options = { deadlineMs: DEADLINE_MS }
  const told = await askAll((member) =>
    isSelf(member)
      ? tellServed(table, challengeId, self)
      : control.request(targetOf(member), SERVED_MESSAGE, { challengeId }, options),
  )
  const served = told.map((answer, member) => {
    const each = answer?.served ?? null
    return each !== null && isService(challenge, member, each) ? each : null
  })
  // Whoever signs for less than everybody present may lock others out for good: too few answers are no occasion.
  const isQuorum = told.filter((answer) => answer !== undefined).length >= needed
  if (!isQuorum || served.every((each) => each === null)) return undefined
  const result = noResultOf(served)
  const digest = resultDigest(digests, result)
  const signed = await askAll(async (member) => {
    const body = { challengeId, served }
    const { signature } = isSelf(member)
      ? await signNoResult(table, body, self)
      : await control.request(targetOf(member), NO_RESULT_MESSAGE, body, options)
    const key = plan.committee[member]
    return key !== undefined && verifySignature(key, digest, signature) ? signature : undefined
  })
  const signatures = signed.map((signature) => signature ?? null)
  const have = signatures.filter((signature) => signature !== null).length
  return have >= needed ? { committee: plan.committee, result, signatures } : undefined
}

function known(table: ChallengeTable, challengeId: Uint8Array): Planned {
  const challenge = table.remembered(bytesToHex(challengeId))
  ensure(challenge !== undefined && isPlanned(challenge), 'not_found', 'no such challenge here')
  return challenge
}

function isPlanned(challenge: Challenge): challenge is Planned {
  return challenge.plan !== undefined
}

function requireMember({ plan }: Planned, { publicKey }: Remote): void {
  ensure(
    plan.committee.some((key) => sameBytes(key, publicKey)),
    'denied',
    'only members of the committee ask for this',
  )
}

async function requireOverdue(table: ChallengeTable, { request, digests }: Challenge): Promise<void> {
  const source = sourceFor(table.modules.committees, request)
  ensure(
    await source.isOverdue(request, digests.challengeId),
    'denied',
    'the challenge may still have a result',
  )
}

function ownService({ attempts }: Challenge): Served | null {
  const [first] = attempts
  if (first === undefined) return null
  const [name, { commitment }] = first
  const [slot = 0, attempt = 0] = name.split('/').map(Number)
  return { slot, attempt, commitment }
}

function isService(
  { digests, plan }: Planned,
  member: number,
  { slot, attempt, commitment }: Served,
): boolean {
  const key = plan.committee[member]
  return (
    key !== undefined &&
    slot < plan.teams &&
    Math.floor(member / plan.teamSize) === slot &&
    commitment.rateKbps === plan.memberRateKbps &&
    commitment.packetCount === packetCountOf(plan.memberRateKbps, plan.tauMicros) &&
    verifySignature(key, commitmentDigest(digests, { slot, attempt }, commitment), commitment.signature)
  )
}

/** Zero evidence, zero rates, and a bit for each member that served. */
function noResultOf(served: readonly (Served | null)[]): ResultValue {
  const owed = new Uint8Array(OWED_BYTES)
  served.forEach((each, member) => {
    const at = OWED_BYTES - 1 - (member >> 3)
    if (each !== null) owed[at] = (owed[at] ?? 0) | (1 << (member & 7))
  })
  return { evidenceHash: new Uint8Array(32), guaranteedKbps: 0, estimateKbps: 0, owed }
}
