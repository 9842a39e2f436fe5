/** Everything a challenge's result is computed from (docs/protocol.md section 8). */
import { sha256 } from '@noble/hashes/sha2.js'
import { encode } from '../crypto/cbor.js'
import { array, decodeAs, type Infer, integer, object } from '../crypto/cbor-schema.js'
import { MAX_ATTEMPTS, MAX_COMMITTEE, MAX_EVIDENCE_BYTES } from './constants.js'
import { planSchema } from './plan.js'
import { requestSchema, signature, unixSeconds } from './request.js'
import { slotRecordSchema } from './slot.js'

export const evidenceSchema = object({
  version: integer({ min: 1, max: 1 }),
  request: requestSchema,
  payerSignature: signature,
  acceptedAt: unixSeconds,
  acceptanceSignature: signature,
  plan: planSchema,
  planSignature: signature,
  slots: array(slotRecordSchema, { max: MAX_COMMITTEE * MAX_ATTEMPTS }),
})
export type Evidence = Infer<typeof evidenceSchema>

export function encodeEvidence(evidence: Evidence): Uint8Array {
  return encode(evidence)
}

/** @throws UserError BAD_MESSAGE with the path of what is wrong. */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  return decodeAs(evidenceSchema, bytes, 'evidence', { maxBytes: MAX_EVIDENCE_BYTES })
}

export function evidenceHashOf(bytes: Uint8Array): Uint8Array {
  return sha256(bytes)
}
