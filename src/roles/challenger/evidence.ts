/** What this member states about the whole challenge: its vote for the evidence, its signature under the result. */
import { verifySignature } from '../../crypto/identity.js'
import { assess } from '../../pob/assess.js'
import { MAX_ATTEMPTS } from '../../pob/constants.js'
import { decodeEvidence, type Evidence, evidenceHashOf } from '../../pob/evidence.js'
import { sameBytes } from '../../pob/party.js'
import { planDigest } from '../../pob/plan.js'
import { findSeedFaults } from '../../pob/provable-faults.js'
import { challengeIdOf } from '../../pob/request.js'
import { quorum, resultDigest, signersOf, voteDigest } from '../../pob/result.js'
import { ackListDigest, capturedRoots, captureFault, testimonyDigest } from '../../pob/slot.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import type { Challenge } from './challenge.js'
import { accuseOfSecondPlan } from './plan.js'
import { accuseOfSecondList } from './slot.js'
import type { ChallengeTable } from './table.js'

export async function vote(table: ChallengeTable, bytes: Uint8Array, remote: Remote) {
  await table.modules.behaviour.before('evidence', bytes)
  const evidence = decodeEvidence(bytes)
  const challenge = table.known(evidence.plan.challengeId)
  // A member votes once: whoever else could ask would spend its vote on evidence that is not finished.
  ensure(
    sameBytes(remote.publicKey, challenge.request.coordinator),
    'denied',
    'only the coordinator asks for votes',
  )
  const { plan, digests } = challenge
  ensure(plan !== undefined, 'conflict', 'there is no plan yet')
  await keepFaults(table, challenge, evidence)
  ensure(
    sameBytes(planDigest(digests, plan), planDigest(digests, evidence.plan)),
    'conflict',
    'the evidence holds another plan',
  )
  await requireOwnParts(table, challenge, evidence)
  const assessment = assess(evidence)
  ensure(assessment.faults.length === 0, 'bad_request', assessment.faults[0]?.message ?? 'evidence')
  const evidenceHash = evidenceHashOf(bytes)
  const digest = voteDigest(digests, evidenceHash)
  await table.once(challenge, 'vote', digest)
  const { guaranteedKbps, estimateKbps, owed, flags } = assessment
  challenge.result = { evidenceHash, guaranteedKbps, estimateKbps, owed }
  challenge.flags = flags
  await table.modules.store.saveEvidence(challenge.id, bytes)
  await table.note(challenge, 'voted')
  return { signature: table.modules.identity.sign(digest) }
}

export async function sign(
  table: ChallengeTable,
  challengeId: Uint8Array,
  evidenceHash: Uint8Array,
  votes: readonly (Uint8Array | null)[],
) {
  await table.modules.behaviour.before('sign', { challengeId, evidenceHash, votes })
  const challenge = table.known(challengeId)
  const { plan, result, digests } = challenge
  ensure(
    plan !== undefined && result !== undefined && sameBytes(result.evidenceHash, evidenceHash),
    'conflict',
    'this member did not vote for that evidence',
  )
  const voters = signersOf(plan.committee, voteDigest(digests, evidenceHash), votes)
  const needed = quorum(plan.committee.length, plan.faulty)
  ensure(voters.length >= needed, 'bad_request', `${voters.length} votes of the ${needed} needed`)
  const digest = resultDigest(digests, result)
  await table.once(challenge, 'result', digest)
  await table.note(challenge, 'signed')
  return { signature: table.modules.identity.sign(digest) }
}

/** What evidence proves by itself or beside what this member was shown before: kept, whether it is voted for or not. */
async function keepFaults(table: ChallengeTable, challenge: Challenge, evidence: Evidence): Promise<void> {
  const { digests, request } = challenge
  const { plan, planSignature, slots } = evidence
  if (!sameBytes(challengeIdOf(evidence.request), digests.challengeId)) return
  if (verifySignature(request.coordinator, planDigest(digests, plan), planSignature))
    await accuseOfSecondPlan(table, challenge, plan, planSignature)
  for (const fault of findSeedFaults(evidence)) await table.accuse(challenge, fault)
  for (const { slot, attempt, capture } of slots) {
    const testified = challenge.attempts.get(`${slot}/${attempt}`)?.testimony
    if (testified === undefined || capture === null || captureFault(capture, plan.teamSize) !== undefined)
      continue
    const { signature } = capture
    const value = capturedRoots(capture)
    const digest = ackListDigest(digests, { slot, attempt }, value)
    const isOther = !sameBytes(testified.ackListHash, digest)
    if (isOther && verifySignature(request.prover, digest, signature))
      await accuseOfSecondList(table, challenge, { slot, attempt }, { value, signature })
  }
}

/**
 * A member votes for no evidence that leaves out or changes what it testified. The locks on disk say what that was, so
 * neither a restart nor a challenge that was finished and announced anew makes it forget. @throws Refusal
 */
async function requireOwnParts(
  table: ChallengeTable,
  { id, digests, memberIndex }: Challenge,
  { plan, slots }: Evidence,
): Promise<void> {
  const slot = Math.floor(memberIndex / plan.teamSize)
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const name = `${slot}/${attempt}`
    const testified = await table.modules.store.lockedDigest(`${id}/testimony/${name}`)
    if (testified === undefined) continue
    const record = slots.find((each) => each.slot === slot && each.attempt === attempt)
    const theirs = record?.testimonies[memberIndex % plan.teamSize] ?? null
    ensure(
      theirs !== null && sameBytes(testimonyDigest(digests, { slot, attempt }, theirs), testified),
      'conflict',
      `the evidence leaves out this member's testimony of ${name}`,
    )
  }
}
