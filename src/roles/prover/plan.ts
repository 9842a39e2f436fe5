/** The coordinator's plan and its farewell. */
import { verifySignature } from '../../crypto/identity.js'
import { type Plan, planDiffers, planDigest, planFault } from '../../pob/plan.js'
import { matchingEvidence, type Seal, sealFault, transcriptOf } from '../../pob/seal.js'
import { encodeTranscript } from '../../pob/transcript.js'
import type { FinishAnswer, FinishBody } from '../control-messages.js'
import type { Remote, SeenBeside } from '../modules.js'
import { ensure } from '../protocol-error.js'
import type { Challenge } from './challenge.js'
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
  { challengeId, seal, evidence: handed }: FinishBody,
  remote: Remote,
): Promise<FinishAnswer> {
  const challenge = turn.known(challengeId, remote)
  if (seal !== undefined && handed === undefined) return { lacksEvidence: 1 }
  try {
    // The archive is bounded: nobody fills it with what is no transcript of this challenge.
    const evidence = seal && matchingEvidence(seal, [handed])
    const keeps = seal !== undefined && evidence !== undefined && isSealOf(challenge, seal)
    if (keeps) {
      const transcript = encodeTranscript(transcriptOf(seal, evidence))
      await turn.modules.store.saveTranscript(challenge.id, transcript, seenOf(challenge))
    }
    await turn.note(challenge, keeps ? 'finished' : 'abandoned')
    ensure(keeps || seal === undefined, 'bad_request', 'this is no transcript of the challenge')
  } finally {
    await turn.release(challenge)
  }
  return { lacksEvidence: 0 }
}

/** By slot and attempt, as the captures are named. */
function seenOf({ reports, captures, echoes }: Challenge): SeenBeside {
  const slotOf = (name: string) => Number(name.split('/')[0])
  const caught = [...captures].map(([name, { statistics }]) => ({ ...statistics, slot: slotOf(name) }))
  const echoed = [...echoes].map(([name, statistics]) => ({ ...statistics, slot: slotOf(name) }))
  return { paths: reports, statistics: [...caught, ...echoed] }
}

/** A quorum that signed the hash of evidence knows it; whether a quorum was honest is for `verify` to say. */
function isSealOf({ plan, digests }: Challenge, seal: Seal): boolean {
  return plan !== undefined && sealFault(plan, digests, seal) === undefined
}
