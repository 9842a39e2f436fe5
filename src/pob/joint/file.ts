/**
 * What shows that provers share a link, or do not (docs/protocol.md section 9.1): the transcripts of each alone and of all
 * together, and when the members began to send. In the canonical encoding; whoever has it needs nothing else of who measured.
 */
import { encode } from '../../crypto/cbor.js'
import { array, bytes, decodeAs, type Infer, integer, object } from '../../crypto/cbor-schema.js'
import { UserError } from '../../errors.js'
import { MAX_COMMITTEE } from '../constants.js'
import { nullable } from '../slot.js'
import { MAX_TRANSCRIPT_BYTES } from '../transcript.js'
import { firstSendSchema } from './first-send.js'

/** More provers than this no challenger's uplink drives at once. */
export const MAX_JOINT_PROVERS = 8
/** Far above what measured lines need: a transcript of 10 Gbit/s takes a few megabytes. */
export const MAX_JOINT_BYTES = 4 * MAX_TRANSCRIPT_BYTES

const provers = { min: 2, max: MAX_JOINT_PROVERS }
const transcripts = array(bytes({ max: MAX_TRANSCRIPT_BYTES }), provers)

export const jointFileSchema = object({
  version: integer({ min: 1, max: 1 }),
  /** One a prover, in order. */
  alone: transcripts,
  /** The same provers in the same order. */
  together: transcripts,
  /** By prover, slot and member of its team; null for who did not say. */
  firstSends: array(
    array(array(nullable(firstSendSchema), { max: MAX_COMMITTEE }), { max: MAX_COMMITTEE }),
    provers,
  ),
})
export type JointFile = Infer<typeof jointFileSchema>

/** @throws UserError BAD_ARGUMENT where it would be larger than what is read */
export function encodeJointFile(file: JointFile): Uint8Array {
  const content = encode(file)
  if (content.length > MAX_JOINT_BYTES)
    throw new UserError(
      `the transcripts of all provers together have ${content.length} bytes, a joint transcript at most ${MAX_JOINT_BYTES}`,
      { code: 'BAD_ARGUMENT', remedy: 'measure fewer provers at once, or lower --claim' },
    )
  return content
}

/** @throws UserError BAD_MESSAGE with the path of what is wrong. */
export function decodeJointFile(content: Uint8Array): JointFile {
  return decodeAs(jointFileSchema, content, 'joint transcript', { maxBytes: MAX_JOINT_BYTES })
}
