/** Bytes of each control message, measured on the real messages of a genuine challenge with so many members. */
import { type CborValue, encode } from '../../src/crypto/cbor.js'
import { encodeEvidence } from '../../src/pob/evidence.js'
import { sealOf } from '../../src/pob/seal.js'
import { capturedRoots } from '../../src/pob/slot.js'
import { buildChallenge, sealTranscript } from '../support/challenge-builder.js'

export type MessageName =
  | 'request'
  | 'prepare'
  | 'path'
  | 'plan'
  | 'arm'
  | 'slot'
  | 'reveal'
  | 'evidence'
  | 'sign'
  | 'finish'

export interface MessageSize {
  readonly question: number
  readonly answer: number
}

export interface MessageSizes {
  readonly of: Readonly<Record<MessageName, MessageSize>>
  /** What each slot's record adds to evidence, wherever that is sent. */
  readonly slotRecord: number
}

/** Protocol names, stream and noise framing, and the muxer's headers: about so much an exchange, half of it each way. */
const FRAMING_BYTES = 220
/** Of a refusal: its status and reason. */
export const REFUSAL_BYTES = 90

const teamsOf = (members: number) => Math.floor(members / 2) - (1 - (Math.floor(members / 2) % 2))

/** f for so many members in teams of two: as many teams as are odd and fit. */
export function faultyFor(members: number): number {
  return (teamsOf(members) - 1) / 2
}

export function messageSizes(members: number): MessageSizes {
  const challenge = buildChallenge({
    label: `traffic ${members}`,
    claimKbps: 700,
    committeeSize: members,
    faulty: faultyFor(members),
    teamSize: 2,
  })
  const { evidence } = challenge
  const transcript = sealTranscript(challenge, evidence)
  const { request, payerSignature, acceptedAt, acceptanceSignature, plan, planSignature, slots } = evidence
  const bytes = (value: unknown) => encode(value as CborValue).length
  const size = (question: unknown, answer: unknown): MessageSize => ({
    question: bytes(question) + FRAMING_BYTES / 2,
    answer: bytes(answer) + FRAMING_BYTES / 2,
  })
  const { challengeId, beaconSignature } = plan
  const admission = { request, payerSignature, acceptedAt, acceptanceSignature }
  const signature = planSignature
  const id = { challengeId, slot: 1, attempt: 0 }
  const [first] = slots
  const [commitment, testimony] = [first?.commitments[0], first?.testimonies[0]]
  if (first === undefined || first.capture === null) throw new Error('no slot was captured')
  const { capture, commitments } = first
  const path = { ready: 1, rttMicros: 20_000, jitterMicros: 100 }
  const seal = sealOf(transcript)
  const head = encodeEvidence({ ...evidence, slots: [] })
  return {
    of: {
      request: size({ request, payerSignature }, { acceptedAt, signature }),
      prepare: size(
        { challengeId, beaconSignature },
        { paths: Array.from({ length: 2 * teamsOf(members) }, () => path) },
      ),
      path: size(
        { ...admission, beaconSignature },
        { sessionId: new Uint8Array(8), key: new Uint8Array(16) },
      ),
      plan: size({ ...admission, plan, planSignature }, null),
      arm: size(id, commitment),
      slot: size({ ...id, commitments }, { capture }),
      reveal: size({ ...id, roots: capturedRoots(capture), signature: capture.signature }, testimony),
      // Without the slots: those are added by how many ran.
      evidence: size({ evidence: head }, { signature }),
      sign: size({ challengeId, evidenceHash: challengeId, votes: transcript.votes }, { signature }),
      finish: size({ challengeId, seal }, { lacksEvidence: 0 }),
    },
    slotRecord: Math.round((encodeEvidence(evidence).length - head.length) / slots.length),
  }
}
