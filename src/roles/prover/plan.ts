/** The coordinator's plan and its farewell. */
import { verifySignature } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import { decodeEvidence } from '../../pob/evidence.js'
import { sameBytes } from '../../pob/party.js'
import { type Plan, planDiffers, planDigest, planFault } from '../../pob/plan.js'
import { challengeIdOf } from '../../pob/request.js'
import { decodeTranscript } from '../../pob/transcript.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import type { ProverTurn } from './turn.js'

/** The coordinator's plan, handed on by the node (a node may be prover and challenger at once). */
export async function acceptPlan(
  turn: ProverTurn,
  plan: Plan,
  planSignature: Uint8Array,
  remote: Remote,
): Promise<void> {
  const challenge = turn.known(plan.challengeId, remote)
  const { digests, request, committee } = challenge
  ensure(committee !== undefined, 'conflict', 'the paths are not open yet')
  const digest = planDigest(digests, plan)
  ensure(
    verifySignature(request.coordinator, digest, planSignature),
    'bad_request',
    'the plan does not carry the signature of the coordinator',
  )
  const wrong = planFault(request, digests.challengeId, plan) ?? planDiffers(plan, committee)
  ensure(wrong === undefined, 'bad_request', `plan: ${wrong}`)
  const outcome = await turn.modules.store.signOnce(`${challenge.id}/prover-plan`, digest)
  ensure(outcome !== 'conflict', 'conflict', 'another plan was accepted for this challenge')
  challenge.plan = plan
}

/** The coordinator is done; keeps the transcript. */
export async function finish(
  turn: ProverTurn,
  challengeId: Uint8Array,
  transcript: Uint8Array | undefined,
  remote: Remote,
): Promise<void> {
  const challenge = turn.known(challengeId, remote)
  try {
    // The archive is bounded: nobody fills it with what is no transcript of this challenge.
    const keeps = transcript !== undefined && isTranscriptOf(transcript, challengeId)
    if (keeps) await turn.modules.store.saveTranscript(challenge.id, transcript)
    await turn.note(challenge, keeps ? 'finished' : 'abandoned')
    ensure(keeps || transcript === undefined, 'bad_request', 'this is no transcript of the challenge')
  } finally {
    await turn.release(challenge)
  }
}

/** Whether bytes are a transcript of that challenge; whether it is right is for `verify` to say. */
function isTranscriptOf(transcript: Uint8Array, challengeId: Uint8Array): boolean {
  try {
    // Both decoders bound the size.
    const { request } = decodeEvidence(decodeTranscript(transcript).evidence)
    return sameBytes(challengeIdOf(request), challengeId)
  } catch (error) {
    if (error instanceof UserError) return false
    throw error
  }
}
