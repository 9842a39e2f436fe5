/** A request: the prover's own checks and terms, then its signature. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { sameBytes } from '../../pob/party.js'
import { acceptanceDigest, type Request } from '../../pob/request.js'
import { checkRequest } from '../admission.js'
import { originOf } from '../challenger/places.js'
import { sourceFor } from '../committee-source.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import { type Challenge, maxBytesOf } from './challenge.js'
import type { ProverTurn } from './turn.js'

export async function acceptRequest(
  turn: ProverTurn,
  body: { request: Request; payerSignature: Uint8Array },
  remote: Remote,
) {
  const { request, payerSignature } = body
  const { identity, committees, now, store, policy, log } = turn.modules
  ensure(sameBytes(request.prover, identity.publicKey), 'bad_request', 'the request names another prover')
  ensure(sameBytes(remote.publicKey, request.coordinator), 'denied', 'only the coordinator asks')
  await turn.replace(remote)
  const from = originOf(remote.address)
  turn.requireTurn(from)
  const nowMs = now()
  const digests = checkRequest(request, payerSignature, nowMs)
  const source = sourceFor(committees, request)
  await source.requireAcceptable(request, nowMs)
  const acceptedAt = Math.floor(nowMs / 1000)
  const { payer, coordinator, claimKbps } = request
  const refusal = await policy.refusal({ payer, coordinator, claimKbps, maxBytes: maxBytesOf(request) })
  ensure(refusal === undefined, 'denied', refusal ?? '')
  const room = await turn.roomFor(from)
  const id = bytesToHex(digests.challengeId)
  const fresh = await store.useOnce(`accept/${id}`, request.expiresAt * 1000)
  ensure(fresh, 'conflict', 'this request was accepted before')
  const acceptanceSignature = identity.sign(acceptanceDigest(digests, acceptedAt))
  const challenge: Challenge = {
    id,
    request,
    payerSignature,
    digests,
    acceptedAt,
    acceptanceSignature,
    from,
    sinceMs: nowMs,
    graceMs: source.graceMs(request, nowMs),
    paths: new Map(),
    captures: new Map(),
    echoes: new Map(),
    reports: [],
    running: false,
    hasRun: false,
  }
  // Another request may have come in while the store was written.
  turn.take(challenge, room)
  await turn.note(challenge, 'accepted')
  log.info({ challenge: id, claimMbps: claimKbps / 1000, payer: bytesToHex(payer) }, 'challenge accepted')
  return { acceptedAt, signature: acceptanceSignature }
}
