/** A member's commitment to its traffic of one attempt: whether it is in order, and whether the revealed seed opens it. */
import { verifySignature } from '../crypto/identity.js'
import { packetCountOf } from './constants.js'
import type { FaultList } from './fault.js'
import { addressBytesOf, sameBytes } from './party.js'
import type { Plan } from './plan.js'
import { type Commitment, commitmentDigest, type SlotId, seedHashOf, type Testimony } from './slot.js'
import type { ChallengeDigests } from './structures.js'

/** One member's part in one attempt. */
export interface Committed {
  readonly id: SlotId
  /** In the committee. */
  readonly member: number
  /** Compressed public key. */
  readonly key: Uint8Array
  readonly commitment: Commitment | null
}

/** What is wrong with it goes to `out`. @param where the attempt, in words */
export function checkCommitment(
  { id, member, key, commitment }: Committed,
  plan: Plan,
  digests: ChallengeDigests,
  out: FaultList,
  where: string,
): void {
  if (commitment === null) return
  if (!verifySignature(key, commitmentDigest(digests, id, commitment), commitment.signature))
    out.add('commitment_signature', `${where}: the commitment of member ${member} is not signed by it`)
  const packetCount = packetCountOf(plan.memberRateKbps, plan.tauMicros)
  if (commitment.rateKbps !== plan.memberRateKbps || commitment.packetCount !== packetCount)
    out.add('commitment_terms', `${where}: member ${member} committed to another rate or length than planned`)
}

export function isOpened(
  { id, key, commitment }: Committed,
  testimony: Testimony | null,
  { challengeId }: ChallengeDigests,
): testimony is Testimony {
  if (commitment === null || testimony === null) return false
  return sameBytes(commitment.seedHash, seedHashOf(testimony.seed, challengeId, addressBytesOf(key), id))
}
