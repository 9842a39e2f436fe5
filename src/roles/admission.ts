/** What a member and a prover check before they serve a challenge: signatures, times, and the committee. */
import { verifySignature } from '../crypto/identity.js'
import type { Committee } from '../pob/committee.js'
import { acceptanceDigest, digestsOf, type Request, requestFault } from '../pob/request.js'
import type { ChallengeDigests } from '../pob/structures.js'
import { type CommitteeSource, sourceFor } from './committee-source.js'
import type { Admission } from './control-messages.js'
import { ensure } from './protocol-error.js'

/** A request that lives longer keeps state for nothing. */
const MAX_VALIDITY_SECONDS = 600

export interface Admitted {
  readonly request: Request
  readonly digests: ChallengeDigests
  readonly committee: Committee
}

/** The request alone: its numbers, its time, its payer. @throws Refusal */
export function checkRequest(request: Request, payerSignature: Uint8Array, nowMs: number): ChallengeDigests {
  const wrong = requestFault(request)
  ensure(wrong === undefined, 'bad_request', `request: ${wrong}`)
  const nowSeconds = nowMs / 1000
  ensure(request.expiresAt > nowSeconds, 'bad_request', 'the request has expired')
  ensure(
    request.expiresAt <= nowSeconds + MAX_VALIDITY_SECONDS,
    'bad_request',
    `the request is valid for more than ${MAX_VALIDITY_SECONDS} s`,
  )
  const digests = digestsOf(request)
  ensure(
    verifySignature(request.payer, digests.challengeId, payerSignature),
    'bad_request',
    'the request does not carry the signature of its payer',
  )
  return digests
}

/** Request, acceptance, round and draw together. @throws Refusal */
export async function admit(
  admission: Admission,
  sources: readonly CommitteeSource[],
  nowMs: number,
): Promise<Admitted> {
  const { request } = admission
  const digests = checkRequest(request, admission.payerSignature, nowMs)
  const source = sourceFor(sources, request)
  ensure(
    verifySignature(
      request.prover,
      acceptanceDigest(digests, admission.acceptedAt),
      admission.acceptanceSignature,
    ),
    'bad_request',
    'the acceptance does not carry the signature of the prover',
  )
  return { request, digests, committee: await source.committeeOf(admission, nowMs) }
}
