/** What a member and a prover check before they serve a challenge: signatures, round, registry, draw. */
import { type BeaconInfo, timeOfRound, verifyRound } from '../crypto/beacon.js'
import { verifySignature } from '../crypto/identity.js'
import { type Committee, drawCommittee } from '../pob/committee.js'
import { MAX_ROUND_AGE_SECONDS } from '../pob/constants.js'
import { sameBytes } from '../pob/party.js'
import type { Registry } from '../pob/registry.js'
import {
  acceptanceDigest,
  digestsOf,
  type Request,
  requestFault,
  roundIsAfterAcceptance,
} from '../pob/request.js'
import type { ChallengeDigests } from '../pob/structures.js'
import type { Admission } from './control-messages.js'
import { ensure } from './protocol-error.js'

/** Clocks of honest nodes differ by less. */
const CLOCK_SKEW_SECONDS = 5
/** A request that lives longer keeps state for nothing. */
const MAX_VALIDITY_SECONDS = 600

export interface AdmissionContext {
  readonly registry: Registry
  readonly beacon: BeaconInfo
  readonly nowMs: number
}

export interface Admitted {
  readonly request: Request
  readonly digests: ChallengeDigests
  readonly committee: Committee
}

/** The request alone, as the prover sees it before the round. @throws Refusal */
export function checkRequest(
  request: Request,
  payerSignature: Uint8Array,
  context: AdmissionContext,
): ChallengeDigests {
  const wrong = requestFault(request)
  ensure(wrong === undefined, 'bad_request', `request: ${wrong}`)
  ensure(
    sameBytes(request.registryHash, context.registry.hash),
    'conflict',
    'the request names another registry snapshot than this node has',
  )
  ensure(
    sameBytes(request.beaconChain, context.beacon.chainHash),
    'conflict',
    'the request names another beacon than this node trusts',
  )
  const nowSeconds = context.nowMs / 1000
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
export function admit(admission: Admission, context: AdmissionContext): Admitted {
  const { request } = admission
  const digests = checkRequest(request, admission.payerSignature, context)
  ensure(
    verifySignature(
      request.prover,
      acceptanceDigest(digests, admission.acceptedAt),
      admission.acceptanceSignature,
    ),
    'bad_request',
    'the acceptance does not carry the signature of the prover',
  )
  const roundTime = timeOfRound(context.beacon, request.beaconRound)
  ensure(
    roundIsAfterAcceptance(roundTime, admission.acceptedAt),
    'denied',
    'the round was out when the prover accepted',
  )
  const ageSeconds = context.nowMs / 1000 - roundTime
  ensure(ageSeconds <= MAX_ROUND_AGE_SECONDS, 'denied', `the round is ${Math.round(ageSeconds)} s old`)
  ensure(ageSeconds >= -CLOCK_SKEW_SECONDS, 'denied', 'the round lies in the future')
  const committee = drawFor(request, admission.beaconSignature, context)
  return { request, digests, committee }
}

/** The committee that the round draws. @throws Refusal */
export function drawFor(request: Request, beaconSignature: Uint8Array, context: AdmissionContext): Committee {
  const randomness = verifyRound(context.beacon, request.beaconRound, beaconSignature)
  ensure(randomness !== false, 'bad_request', "the round does not carry the beacon's signature")
  const drawn = drawCommittee({
    request,
    registryHash: context.registry.hash,
    entries: context.registry.entries,
    randomness,
  })
  ensure(typeof drawn !== 'string', 'denied', `the registry gives no committee: ${String(drawn)}`)
  return drawn
}
