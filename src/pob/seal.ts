/**
 * What a committee states about evidence, without the evidence: votes, figures, signatures. Whoever holds the evidence makes
 * the transcript of it, so that at the end of a challenge megabytes need not go round a second time.
 */
import { array, bytes, type Infer, integer, object } from '../crypto/cbor-schema.js'
import { MAX_COMMITTEE, PROTOCOL_VERSION } from './constants.js'
import { evidenceHashOf } from './evidence.js'
import { sameBytes } from './party.js'
import type { Plan } from './plan.js'
import { hash, signature } from './request.js'
import { quorum, resultDigest, signersOf, voteDigest } from './result.js'
import { nullable } from './slot.js'
import type { ChallengeDigests } from './structures.js'
import { MAX_RATE_KBPS, type Transcript } from './transcript.js'

export const sealSchema = object({
  evidenceHash: hash,
  votes: array(nullable(signature), { min: 1, max: MAX_COMMITTEE }),
  guaranteedKbps: integer({ max: MAX_RATE_KBPS }),
  estimateKbps: integer({ max: MAX_RATE_KBPS }),
  owed: bytes({ length: 32 }),
  signatures: array(nullable(signature), { min: 1, max: MAX_COMMITTEE }),
})
export type Seal = Infer<typeof sealSchema>

export function sealOf({ version: _, evidence, ...statement }: Transcript): Seal {
  return { evidenceHash: evidenceHashOf(evidence), ...statement }
}

/** Of pieces of evidence the one that a seal is about. */
export function matchingEvidence(
  { evidenceHash }: Seal,
  pieces: readonly (Uint8Array | undefined)[],
): Uint8Array | undefined {
  return pieces.find((bytes) => bytes !== undefined && sameBytes(evidenceHashOf(bytes), evidenceHash))
}

/** @param evidence the bytes that hash to the seal's evidenceHash */
export function transcriptOf({ evidenceHash: _, ...statement }: Seal, evidence: Uint8Array): Transcript {
  return { version: PROTOCOL_VERSION, evidence, ...statement }
}

/**
 * Why a seal is not the word of that committee, or undefined. With a quorum of signatures an honest member has recomputed the
 * figures from this evidence, so whoever holds it need not do it once more.
 */
export function sealFault(
  { committee, faulty }: Plan,
  digests: ChallengeDigests,
  seal: Seal,
): string | undefined {
  const needed = quorum(committee.length, faulty)
  const statements = [
    { name: 'votes', signed: seal.votes, digest: voteDigest(digests, seal.evidenceHash) },
    { name: 'signatures', signed: seal.signatures, digest: resultDigest(digests, seal) },
  ]
  for (const { name, signed, digest } of statements) {
    if (signed.length !== committee.length)
      return `there is not one place in its ${name} for each of the ${committee.length} members`
    const have = signersOf(committee, digest, signed).length
    if (have < needed) return `${have} valid ${name} of the ${needed} needed`
  }
  return undefined
}
