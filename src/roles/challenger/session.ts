/** The session that a prover opens, and the consent that lets this member send to it. */
import { verifySignature } from '../../crypto/identity.js'
import type { ConsentClaim } from '../../dataplane/index.js'
import { mostAttempts } from '../../pob/assess.js'
import { PACKET_BYTES, packetCountOf } from '../../pob/constants.js'
import { addressBytesOf, sameBytes } from '../../pob/party.js'
import { longestTauMicros } from '../../pob/plan.js'
import { isNeighbour } from '../../pob/prefix.js'
import { CONSENT } from '../../pob/structures.js'
import type { Admission } from '../control-messages.js'
import type { Remote } from '../modules.js'
import { ensure } from '../protocol-error.js'
import { type Challenge, sendsIn } from './challenge.js'
import type { ChallengeTable } from './table.js'

/** Probes, keep-alives and acks' answers beside the trains. */
const CONTROL_BYTES = 64 * 1024

export async function openSession(table: ChallengeTable, body: Admission, remote: Remote) {
  ensure(sameBytes(remote.publicKey, body.request.prover), 'denied', 'only the prover opens a session')
  await table.modules.behaviour.before('session', body)
  const challenge = await table.admitted(body, remote)
  ensure(sendsIn(challenge), 'denied', 'this member sends in no team')
  if (!challenge.sessionOpen) {
    // A restarted member has lost its session keys and its seeds: it must not serve the same challenge twice.
    const fresh = await table.modules.store.useOnce(
      `session/${challenge.id}`,
      challenge.request.expiresAt * 1000,
    )
    ensure(fresh, 'conflict', 'this challenge was served before a restart')
    await table.supersede(challenge)
    await table.modules.plane.addSession({
      sessionId: challenge.sessionId,
      key: challenge.sessionKey,
      maxBytes: maxBytesOf(challenge),
      expiresAtMs: challenge.request.expiresAt * 1000,
    })
    challenge.sessionOpen = true
  }
  return { sessionId: challenge.sessionId, key: challenge.sessionKey }
}

/** The longest train, as often as the profile may repeat it, and room for control. */
function maxBytesOf({ committee, request: { profile } }: Challenge): number {
  const packets = packetCountOf(committee.memberRateKbps, longestTauMicros(profile))
  return mostAttempts(profile) * packets * PACKET_BYTES + CONTROL_BYTES
}

export async function checkConsent(table: ChallengeTable, claim: ConsentClaim): Promise<boolean> {
  const challenge = table.all().find((each) => sameBytes(each.sessionId, claim.sessionId))
  if (challenge === undefined) return false
  const digest = challenge.digests.digest(CONSENT, {
    member: addressBytesOf(table.modules.identity.publicKey),
    nonce: claim.nonce,
    expiresAt: claim.expiresAt,
    maxBytes: claim.maxBytes,
  })
  if (isNeighbour(claim.remote.host, challenge.committee.members[challenge.memberIndex]?.host)) {
    // Traffic that does not cross the prover's bottleneck would prove more than the bottleneck carries.
    table.modules.log.warn(
      { challenge: challenge.id, remote: claim.remote },
      'the prover is in our own prefix: not served',
    )
    return false
  }
  const valid = verifySignature(challenge.request.prover, digest, claim.signature)
  table.modules.log.debug({ challenge: challenge.id, remote: claim.remote, valid }, 'consent')
  return valid
}
