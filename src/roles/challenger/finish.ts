/**
 * The end of a challenge for a member: it makes the transcript of the evidence that it kept when it voted, and of the
 * signatures that it is handed now. With that it can settle where the payer does not.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { decodeEvidence } from '../../pob/evidence.js'
import type { QualityFlag } from '../../pob/flags.js'
import { sameBytes } from '../../pob/party.js'
import type { Plan } from '../../pob/plan.js'
import { digestsOf, type Request } from '../../pob/request.js'
import { resultDigest, voteDigest } from '../../pob/result.js'
import { matchingEvidence, type Seal, sealFault, transcriptOf } from '../../pob/seal.js'
import type { ChallengeDigests } from '../../pob/structures.js'
import { encodeTranscript } from '../../pob/transcript.js'
import type { FinishAnswer, FinishBody } from '../control-messages.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import type { ChallengeTable } from './table.js'

interface Ending {
  readonly id: string
  readonly request: Request
  readonly digests: ChallengeDigests
  readonly plan: Plan | undefined
  /** The evidence that this member voted for; undefined where it did not. */
  readonly kept: Uint8Array | undefined
  /** Of the assessment before that vote; a restart forgets them. */
  readonly flags?: readonly QualityFlag[]
}

/** @throws Refusal */
export async function finish(
  table: ChallengeTable,
  { challengeId, seal, evidence: handed }: FinishBody,
  remote: Remote,
): Promise<FinishAnswer> {
  const ending = await endingOf(table, challengeId)
  ensure(sameBytes(remote.publicKey, ending.request.coordinator), 'denied', 'only the coordinator finishes')
  const evidence = seal && matchingEvidence(seal, [ending.kept, handed])
  // Nothing is released yet: the coordinator comes again and brings it.
  if (seal !== undefined && evidence === undefined && handed === undefined) return { lacksEvidence: 1 }
  try {
    if (seal !== undefined) await keep(table, ending, seal, evidence)
  } finally {
    const challenge = table.served(ending.id)
    if (challenge !== undefined) await table.release(challenge)
  }
  return { lacksEvidence: 0 }
}

/** A challenge under way, or one that this member voted in before a restart: then the evidence says what it was. */
async function endingOf(table: ChallengeTable, challengeId: Uint8Array): Promise<Ending> {
  const id = bytesToHex(challengeId)
  const kept = await table.modules.store.keptEvidence(id)
  const challenge = table.served(id)
  if (challenge !== undefined) {
    const { request, digests, plan, flags } = challenge
    return { id, request, digests, plan, kept, ...(flags === undefined ? {} : { flags }) }
  }
  ensure(kept !== undefined, 'not_found', 'no such challenge here')
  const { request, plan } = decodeEvidence(kept)
  return { id, request, digests: digestsOf(request), plan, kept }
}

async function keep(
  { modules: { store } }: ChallengeTable,
  { id, digests, plan, flags }: Ending,
  seal: Seal,
  evidence: Uint8Array | undefined,
): Promise<void> {
  ensure(plan !== undefined, 'conflict', 'there is no plan yet')
  ensure(evidence !== undefined, 'bad_request', 'the evidence is not that of the seal')
  const wrong = sealFault(plan, digests, seal)
  ensure(wrong === undefined, 'bad_request', wrong ?? '')
  // A member keeps nothing beside its own word, which its locks remember.
  const own = { vote: voteDigest(digests, seal.evidenceHash), result: resultDigest(digests, seal) }
  for (const [what, digest] of Object.entries(own)) {
    const signed = await store.lockedDigest(`${id}/${what}`)
    ensure(
      signed === undefined || sameBytes(signed, digest),
      'conflict',
      `this member signed another ${what}`,
    )
  }
  await store.saveTranscript(
    id,
    encodeTranscript(transcriptOf(seal, evidence)),
    flags === undefined ? undefined : { flags },
  )
}
