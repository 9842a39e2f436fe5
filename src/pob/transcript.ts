/** The canonical transcript (docs/protocol.md section 10): what `measure` writes and `verify` reads. */
import { encode } from '../crypto/cbor.js'
import { array, bytes, decodeAs, type Infer, integer, object } from '../crypto/cbor-schema.js'
import { MAX_COMMITTEE, MAX_EVIDENCE_BYTES } from './constants.js'
import { signature } from './request.js'
import { nullable } from './slot.js'

/** Above anything that a claim allows. */
export const MAX_RATE_KBPS = 200_000_000
/** Evidence plus two signatures a member and the map around them. */
export const MAX_TRANSCRIPT_BYTES = MAX_EVIDENCE_BYTES + 2 * MAX_COMMITTEE * 80 + 1024

export const transcriptSchema = object({
  version: integer({ min: 1, max: 1 }),
  evidence: bytes({ max: MAX_EVIDENCE_BYTES }),
  votes: array(nullable(signature), { max: MAX_COMMITTEE }),
  guaranteedKbps: integer({ max: MAX_RATE_KBPS }),
  estimateKbps: integer({ max: MAX_RATE_KBPS }),
  owed: bytes({ length: 32 }),
  signatures: array(nullable(signature), { max: MAX_COMMITTEE }),
})
export type Transcript = Infer<typeof transcriptSchema>

export function encodeTranscript(transcript: Transcript): Uint8Array {
  return encode(transcript)
}

/** @throws UserError BAD_MESSAGE with the path of what is wrong. */
export function decodeTranscript(content: Uint8Array): Transcript {
  return decodeAs(transcriptSchema, content, 'transcript', { maxBytes: MAX_TRANSCRIPT_BYTES })
}
