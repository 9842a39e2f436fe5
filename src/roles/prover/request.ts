/** A request: the prover's own checks and terms, then its signature. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { timeOfRound } from '../../crypto/beacon.js'
import { BEACON_MARGIN_SECONDS } from '../../pob/constants.js'
import { sameBytes } from '../../pob/party.js'
import { acceptanceDigest, type Request } from '../../pob/request.js'
import { checkRequest } from '../admission.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import { maxBytesOf } from './challenge.js'
import type { ProverTurn } from './turn.js'

/** A round further away keeps the prover busy for nothing. */
const MAX_ROUND_WAIT_SECONDS = 60

export async function acceptRequest(
  turn: ProverTurn,
  body: { request: Request; payerSignature: Uint8Array },
  remote: Remote,
) {
  const { request, payerSignature } = body
  const { identity, registry, beacon, now, store, policy, log } = turn.modules
  ensure(sameBytes(request.prover, identity.publicKey), 'bad_request', 'the request names another prover')
  ensure(sameBytes(remote.publicKey, request.coordinator), 'denied', 'only the coordinator asks')
  await turn.replace(remote)
  ensure(turn.current === undefined, 'busy', 'another challenge is under way; ask again in a moment')
  const nowMs = now()
  const digests = checkRequest(request, payerSignature, { registry: registry(), beacon, nowMs })
  const acceptedAt = Math.floor(nowMs / 1000)
  const roundTime = timeOfRound(beacon, request.beaconRound)
  ensure(
    roundTime >= nowMs / 1000 + BEACON_MARGIN_SECONDS,
    'denied',
    `round ${request.beaconRound} is out or less than ${BEACON_MARGIN_SECONDS} s away: name a later one`,
  )
  ensure(roundTime <= acceptedAt + MAX_ROUND_WAIT_SECONDS, 'denied', 'the round is too far away')
  const { payer, coordinator, claimKbps } = request
  const refusal = await policy.refusal({ payer, coordinator, claimKbps, maxBytes: maxBytesOf(request) })
  ensure(refusal === undefined, 'denied', refusal ?? '')
  const id = bytesToHex(digests.challengeId)
  const fresh = await store.useOnce(`accept/${id}`, request.expiresAt * 1000)
  ensure(fresh, 'conflict', 'this request was accepted before')
  // Another request may have come in while the store was written.
  ensure(turn.current === undefined, 'busy', 'another challenge is under way; ask again in a moment')
  const acceptanceSignature = identity.sign(acceptanceDigest(digests, acceptedAt))
  policy.accepted()
  turn.current = {
    id,
    request,
    payerSignature,
    digests,
    acceptedAt,
    acceptanceSignature,
    paths: new Map(),
    captures: new Map(),
    running: false,
  }
  turn.touch(turn.current)
  turn.limit(turn.current)
  await turn.note(turn.current, 'accepted')
  log.info({ challenge: id, claimMbps: claimKbps / 1000, payer: bytesToHex(payer) }, 'challenge accepted')
  return { acceptedAt, signature: acceptanceSignature }
}
