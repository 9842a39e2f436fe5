/** Every control message, both ways: refused in one line, or read into what encodes to the same bytes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CborValue, encode } from '../../src/crypto/cbor.js'
import { decodeAs, type Schema } from '../../src/crypto/cbor-schema.js'
import { encodeEvidence } from '../../src/pob/evidence.js'
import { sealOf } from '../../src/pob/seal.js'
import { capturedRoots } from '../../src/pob/slot.js'
import * as messages from '../../src/roles/control-messages.js'
import { buildChallenge, sealTranscript } from '../support/challenge-builder.js'
import {
  anyValue,
  applyEdits,
  edits,
  encodeGraft,
  fuzzRuns,
  graft,
  readOrRefuse,
} from '../support/mutations.js'

const challenge = buildChallenge({ label: 'fuzz', claimKbps: 700, committeeSize: 3, faulty: 1, teamSize: 1 })
const { evidence } = challenge
const transcript = sealTranscript(challenge)
const { request, payerSignature, acceptedAt, acceptanceSignature, plan, planSignature } = evidence
const { challengeId, beaconSignature } = plan
const [record] = evidence.slots
if (record === undefined || record.capture === null) throw new Error('no slot')
const { commitments, capture, testimonies } = record
const admission = { request, payerSignature, acceptedAt, acceptanceSignature }
const slot = { challengeId, slot: 0, attempt: 0 }
const statistics = {
  packets: 14,
  duplicates: 0,
  badTag: 0,
  overflow: 0,
  arrivalSpanMicros: 230_000,
  jitterMicros: 12,
  reordered: 0,
  busyPermille: 20,
  kernelTimestamps: 1,
}

/** A genuine request and answer of each message. */
const GENUINE: Readonly<Record<string, readonly [request: unknown, response: unknown]>> = {
  request: [
    { request, payerSignature },
    { acceptedAt, signature: acceptanceSignature },
  ],
  prepare: [
    { challengeId, beaconSignature },
    {
      paths: [
        { ready: 1, rttMicros: 2000, jitterMicros: 10, idleMicros: [2000, 0] },
        { ready: 0, rttMicros: 0, jitterMicros: 0, reason: 'no answer' },
      ],
    },
  ],
  session: [
    { ...admission, beaconSignature },
    { sessionId: new Uint8Array(8), key: new Uint8Array(16) },
  ],
  plan: [{ ...admission, plan, planSignature }, null],
  arm: [slot, commitments[0]],
  slot: [
    { ...slot, commitments },
    { capture, statistics },
  ],
  reveal: [{ ...slot, roots: capturedRoots(capture), signature: capture.signature }, testimonies[0]],
  echo: [{ ...slot, commitments }, { statistics: { ...statistics, loadedMicros: [[41_000, 0]] } }],
  echoed: [slot, { ...testimonies[0], echoCounts: [10, 14], ownMicros: [165_000, 231_000] }],
  'first-send': [
    slot,
    { clock: new Uint8Array(32), firstSendMicros: 81_004_220, signature: transcript.votes[0] },
  ],
  'step-arm': [{ challengeId, step: 3, rateKbps: 90_000 }, null],
  step: [
    { challengeId, step: 3, rateKbps: 90_000, slot: 1, armed: [0, 1] },
    { packets: 3900, growthMicros: 410 },
  ],
  evidence: [{ evidence: encodeEvidence(evidence) }, { signature: transcript.votes[0] }],
  sign: [
    { challengeId, evidenceHash: new Uint8Array(32), votes: transcript.votes },
    { signature: transcript.signatures[0] },
  ],
  finish: [{ challengeId, seal: sealOf(transcript), evidence: transcript.evidence }, { lacksEvidence: 1 }],
  served: [{ challengeId }, { served: { slot: 0, attempt: 0, commitment: commitments[0] } }],
  'no-result': [
    { challengeId, served: [{ slot: 0, attempt: 0, commitment: commitments[0] }, null] },
    { signature: transcript.signatures[0] },
  ],
}

interface Side {
  readonly name: string
  readonly schema: Schema<unknown>
  readonly maxBytes: number
  readonly genuine: CborValue
}
const isMessage = (value: unknown): value is messages.ControlMessage<unknown, unknown> =>
  typeof value === 'object' && value !== null && 'maxRequestBytes' in value
const all = (Object.values(messages) as readonly unknown[]).filter(isMessage)
const sides = all.flatMap((message): Side[] => {
  const [asked, answered] = GENUINE[message.name] ?? []
  return [
    {
      name: `${message.name} request`,
      schema: message.request,
      maxBytes: message.maxRequestBytes,
      genuine: asked as CborValue,
    },
    {
      name: `${message.name} answer`,
      schema: message.response,
      maxBytes: message.maxResponseBytes,
      genuine: answered as CborValue,
    },
  ]
})

describe('control messages', () => {
  it('are those of docs/protocol.md section 11', () => {
    expect(all.map(({ name }) => name).sort()).toEqual(Object.keys(GENUINE).sort())
  })

  it.each(sides)('$name', ({ name, schema, maxBytes, genuine }) => {
    const survives = (bytes: Uint8Array) => {
      const read = readOrRefuse(() => decodeAs(schema, bytes, name, { maxBytes }))
      if (read !== 'refused') expect(encode(read as CborValue)).toEqual(bytes)
      return read
    }
    const content = encode(genuine)
    expect(survives(content)).not.toBe('refused')
    expect(readOrRefuse(() => decodeAs(schema, new Uint8Array(maxBytes + 1), name, { maxBytes }))).toBe(
      'refused',
    )
    fc.assert(
      fc.property(
        edits,
        graft,
        anyValue,
        fc.uint8Array({ maxLength: 100 }),
        (list, change, random, bytes) => {
          survives(applyEdits(content, list))
          const grafted = encodeGraft(genuine, change)
          if (grafted !== undefined) survives(grafted)
          survives(encode(random))
          survives(bytes)
        },
      ),
      { numRuns: fuzzRuns(0.05) },
    )
  })
})
