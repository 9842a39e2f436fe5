/** Votes on one evidence hash first, then signatures on one result. */
import { UserError } from '../../errors.js'
import { assess } from '../../pob/assess.js'
import { PROTOCOL_VERSION } from '../../pob/constants.js'
import { type Evidence, encodeEvidence, evidenceHashOf } from '../../pob/evidence.js'
import { quorum, resultDigest, voteDigest } from '../../pob/result.js'
import type { Transcript } from '../../pob/transcript.js'
import { EVIDENCE_MESSAGE, SIGN_MESSAGE } from '../control-messages.js'
import { tell } from './plan.js'
import type { CoordinatorRun } from './run.js'

/** Votes on one evidence hash first, then signatures on one result. */
export async function agree(run: CoordinatorRun, evidence: Evidence) {
  const { control } = run.modules
  const { plan } = evidence
  const { challengeId } = run.digests
  const bytes = encodeEvidence(evidence)
  const evidenceHash = evidenceHashOf(bytes)
  const assessment = assess(evidence, { outcomes: run.outcomes })
  const fault = assessment.faults[0]
  if (fault !== undefined)
    throw new UserError(`the evidence is not in order: ${fault.message}`, {
      code: 'VERIFICATION_FAILED',
      remedy: 'measure again',
    })
  const everybody = plan.committee.map((_, member) => member)
  const needed = quorum(plan.committee.length, plan.faulty)
  const vote = voteDigest(run.digests, evidenceHash)
  await run.behaviour.beforeVotes(run, evidence)
  const votes = await run.each(
    everybody,
    'vote',
    async (member, options) => {
      await tell(run, member, options)
      const answer = await control.request(run.target(member), EVIDENCE_MESSAGE, { evidence: bytes }, options)
      if (!run.signedBy(plan, member, vote, answer.signature)) throw new Error('its vote is invalid')
      return answer.signature
    },
    needed,
  )
  run.progress({ event: 'voted', votes: votes.size, needed })
  requireQuorum(votes.size, needed, 'voted for')
  const voteList = everybody.map((member) => votes.get(member) ?? null)
  const { guaranteedKbps, estimateKbps, owed } = assessment
  const digest = resultDigest(run.digests, { evidenceHash, guaranteedKbps, estimateKbps, owed })
  const signed = await run.each(
    [...votes.keys()],
    'sign',
    async (member, options) => {
      const body = { challengeId, evidenceHash, votes: voteList }
      const answer = await control.request(run.target(member), SIGN_MESSAGE, body, options)
      if (!run.signedBy(plan, member, digest, answer.signature)) throw new Error('its signature is invalid')
      return answer.signature
    },
    needed,
  )
  run.progress({ event: 'signed', signatures: signed.size, needed })
  requireQuorum(signed.size, needed, 'signed')
  const signatures = everybody.map((member) => signed.get(member) ?? null)
  await run.behaviour.afterResult(run, evidence, voteList, signatures)
  const transcript: Transcript = {
    version: PROTOCOL_VERSION,
    evidence: bytes,
    votes: voteList,
    guaranteedKbps,
    estimateKbps,
    owed,
    signatures,
  }
  return { transcript, assessment, evidenceHash, signatures }
}

function requireQuorum(have: number, needed: number, verb: string): void {
  if (have < needed)
    throw new UserError(`only ${have} of the ${needed} members needed ${verb} the evidence`, {
      code: 'UNAVAILABLE',
      remedy: 'measure again: a fresh round draws another committee',
    })
}
