/** verifyTranscript never throws and never believes a changed transcript. FUZZ_RUNS for more. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CborValue, encode } from '../../src/crypto/cbor.js'
import { decodeTranscript, encodeTranscript } from '../../src/pob/transcript.js'
import { verifyTranscript } from '../../src/pob/verify.js'
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
const transcript = sealTranscript(challenge)
const content = encodeTranscript(transcript)
const anchors = { registry: challenge.registry, beacon: challenge.beacon }
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

describe('transcripts', () => {
  it('start out anchored', () => {
    expect(verifyTranscript(content, anchors).level).toBe('anchored')
  })

  it('survive random bytes and values', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), anyValue, (bytes, random) => {
        readOrRefuse(() => decodeTranscript(bytes))
        expect(verifyTranscript(encode(random), anchors).level).toBeUndefined()
      }),
      { numRuns: fuzzRuns(0.5) },
    )
  })

  it('are not believed with a byte changed', () => {
    fc.assert(
      fc.property(edits, (list) => {
        const changed = applyEdits(content, list)
        if (same(changed, content)) return
        const verdict = verifyTranscript(changed, anchors)
        expect(verdict.level).toBeUndefined()
        expect(verdict.faults.length).toBeGreaterThan(0)
      }),
      { numRuns: fuzzRuns(0.05) },
    )
  })

  it('are not believed with other values, in the frame or in the evidence', () => {
    const evidence = challenge.evidence as unknown as CborValue
    fc.assert(
      fc.property(graft, fc.boolean(), (change, inside) => {
        const frame = transcript as unknown as CborValue
        const grafted = encodeGraft(inside ? evidence : frame, change)
        if (grafted === undefined) return
        const changed = inside ? encodeTranscript({ ...transcript, evidence: grafted }) : grafted
        if (same(changed, content)) return
        const verdict = verifyTranscript(changed, anchors)
        // A vote or signature beyond the quorum may be missing.
        if (verdict.level === undefined) expect(verdict.faults.length).toBeGreaterThan(0)
        else {
          const read = decodeTranscript(changed)
          expect(read.evidence).toEqual(transcript.evidence)
          expect(read.guaranteedKbps).toBe(transcript.guaranteedKbps)
          expect(read.owed).toEqual(transcript.owed)
        }
      }),
      { numRuns: fuzzRuns(0.05) },
    )
  })
})
