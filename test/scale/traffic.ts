/** Control messages and bytes of one standard challenge, from the real messages of a genuine one. */
import { type CborValue, encode } from '../../src/crypto/cbor.js'
import { encodeEvidence } from '../../src/pob/evidence.js'
import { sealOf } from '../../src/pob/seal.js'
import { capturedRoots } from '../../src/pob/slot.js'
import { buildChallenge, sealTranscript } from '../support/challenge-builder.js'

export interface ControlTraffic {
  readonly members: number
  /** Exchanges: a request and its answer each. */
  readonly exchanges: number
  readonly bytes: number
  /** Through one member. */
  readonly bytesPerMember: number
}

/** Protocol names, stream and noise framing, and the muxer's headers: about so much an exchange, both ways. */
const FRAMING_BYTES = 220

export function controlTraffic(members: number): ControlTraffic {
  const teams = Math.floor(members / 2) - (1 - (Math.floor(members / 2) % 2))
  const challenge = buildChallenge({
    label: `traffic ${members}`,
    claimKbps: 700,
    committeeSize: members,
    faulty: (teams - 1) / 2,
    teamSize: 2,
  })
  const { evidence } = challenge
  const transcript = sealTranscript(challenge, evidence)
  const { request, payerSignature, acceptedAt, acceptanceSignature, plan, planSignature, slots } = evidence
  const size = (...values: unknown[]) =>
    values.reduce<number>((sum, value) => sum + encode(value as CborValue).length, FRAMING_BYTES)
  const { challengeId, beaconSignature } = plan
  const admission = { request, payerSignature, acceptedAt, acceptanceSignature }
  const senders = teams * 2
  const signature = planSignature
  let exchanges = 0
  let bytes = 0
  const add = (count: number, each: number) => {
    exchanges += count
    bytes += count * each
  }
  add(1, size({ request, payerSignature }, { acceptedAt, signature }))
  const path = { ready: 1, rttMicros: 20_000, jitterMicros: 100 }
  add(1, size({ challengeId, beaconSignature }, { paths: Array.from({ length: senders }, () => path) }))
  add(
    senders,
    size({ ...admission, beaconSignature }, { sessionId: new Uint8Array(8), key: new Uint8Array(16) }),
  )
  add(members + 1, size({ ...admission, plan, planSignature }, null))
  for (const { commitments, capture, testimonies } of slots) {
    const id = { challengeId, slot: 1, attempt: 0 }
    for (const commitment of commitments) add(1, size(id, commitment))
    if (capture === null) continue
    add(1, size({ ...id, commitments }, { capture }))
    for (const testimony of testimonies)
      add(1, size({ ...id, roots: capturedRoots(capture), signature: capture.signature }, testimony))
  }
  add(members, size({ evidence: encodeEvidence(evidence) }, { signature }))
  add(members, size({ challengeId, evidenceHash: challengeId, votes: transcript.votes }, { signature }))
  const seal = sealOf(transcript)
  add(members, size({ challengeId, seal }, { lacksEvidence: 0 }))
  add(1, size({ challengeId, seal, evidence: transcript.evidence }, { lacksEvidence: 0 }))
  return { members, exchanges, bytes, bytesPerMember: Math.round(bytes / members) }
}
