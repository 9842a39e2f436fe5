/** What is kept of a job for its audit: the receipt and all that it names by hashes, enough for a stranger to judge it. */
import { type CborValue, decode, encode } from '../../crypto/cbor.js'
import { bytes, enumeration, integer, object, type Schema } from '../../crypto/cbor-schema.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { publicKeySchema } from '../../crypto/public-key-schema.js'
import { MAX_INPUT_BYTES, MAX_OUTPUT_BYTES } from '../network/job-codec.js'
import { readReceipt, receiptToCbor, type SignedReceipt } from '../payment/receipt.js'
import type { JobEvidence } from './audit.js'

export interface KeptEvidence extends JobEvidence {
  /** Whose receipt it is. */
  readonly provider: Uint8Array
  readonly domain: TypedDomain
}

const SMALL_BYTES = 16_384
export const MAX_EVIDENCE_BYTES = MAX_INPUT_BYTES + MAX_OUTPUT_BYTES + 2 * SMALL_BYTES

const receipt: Schema<SignedReceipt> = { read: readReceipt }
const schema = object({
  version: enumeration(1),
  chainId: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  contract: bytes({ length: 20 }),
  provider: publicKeySchema,
  receipt,
  terms: bytes({ max: SMALL_BYTES }),
  input: bytes({ max: MAX_INPUT_BYTES + 1024 }),
  output: bytes({ max: MAX_OUTPUT_BYTES + 1024 }),
})

export function encodeEvidence({ domain, provider, ...job }: KeptEvidence): Uint8Array {
  const { chainId, verifyingContract: contract } = domain
  const { input, terms, output } = job
  const value: CborValue = {
    version: 1,
    chainId,
    contract,
    provider,
    receipt: receiptToCbor(job.receipt),
    terms,
    input,
    output,
  }
  return encode(value)
}

/** @throws UserError BAD_MESSAGE */
export function decodeEvidence(encoded: Uint8Array): KeptEvidence {
  const value = schema.read(decode(encoded, { maxBytes: MAX_EVIDENCE_BYTES }), 'evidence')
  const { chainId, contract, provider, receipt: signed, terms, input, output } = value
  return {
    domain: { chainId, verifyingContract: contract },
    provider,
    receipt: signed,
    terms,
    input,
    output,
  }
}
