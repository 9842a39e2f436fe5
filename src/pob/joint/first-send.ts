/** When a member began to send to one of several provers (docs/protocol.md section 9.1), signed by it. */
import { type Infer, integer, object } from '../../crypto/cbor-schema.js'
import { verifySignature } from '../../crypto/identity.js'
import { hash, signature } from '../request.js'
import type { SlotId } from '../slot.js'
import { type ChallengeDigests, FIRST_SEND } from '../structures.js'

export const firstSendSchema = object({
  /** Names the clock: random, and another one whenever the member's process begins anew. */
  clock: hash,
  /** Whole microseconds of that clock. */
  firstSendMicros: integer({ max: Number.MAX_SAFE_INTEGER }),
  signature,
})
export type FirstSend = Infer<typeof firstSendSchema>

export function firstSendDigest(
  digests: ChallengeDigests,
  { slot, attempt }: SlotId,
  { clock, firstSendMicros }: Omit<FirstSend, 'signature'>,
): Uint8Array {
  return digests.digest(FIRST_SEND, { slot, attempt, clock, firstSendMicros })
}

/** Whether the member of that key signed it of its train in that attempt. */
export function isFirstSendOf(
  publicKey: Uint8Array,
  digests: ChallengeDigests,
  id: SlotId,
  firstSend: FirstSend,
): boolean {
  return verifySignature(publicKey, firstSendDigest(digests, id, firstSend), firstSend.signature)
}
