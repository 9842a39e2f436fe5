/** Decoding and assessing evidence: nothing but a refusal in words, whatever comes. FUZZ_RUNS for more. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CborValue, encode } from '../../src/crypto/cbor.js'
import { assess } from '../../src/pob/assess.js'
import { decodeEvidence, type Evidence } from '../../src/pob/evidence.js'
import { buildChallenge } from '../support/challenge-builder.js'
import {
  anyValue,
  applyEdits,
  edits,
  encodeGraft,
  fuzzRuns,
  graft,
  readOrRefuse,
} from '../support/mutations.js'

const { evidence } = buildChallenge({
  label: 'fuzz',
  claimKbps: 700,
  committeeSize: 3,
  faulty: 1,
  teamSize: 1,
})
const value = evidence as unknown as CborValue
const content = encode(value)

/** What was read says the same bytes again. */
function survives(bytes: Uint8Array): Evidence | 'refused' {
  const read = readOrRefuse(() => decodeEvidence(bytes))
  if (read !== 'refused') expect(encode(read as unknown as CborValue)).toEqual(bytes)
  return read
}

describe('evidence', () => {
  it('survives random bytes and random values', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), anyValue, (bytes, random) => {
        survives(bytes)
        survives(encode(random))
      }),
      { numRuns: fuzzRuns(0.5) },
    )
  })

  it('survives changed bytes', () => {
    fc.assert(
      fc.property(edits, (list) => {
        survives(applyEdits(content, list))
      }),
      { numRuns: fuzzRuns(0.5) },
    )
  })

  it('survives truncation at every length', () => {
    const step = Math.max(1, Math.floor(content.length / 500))
    for (let length = 0; length < content.length; length += step)
      expect(survives(content.subarray(0, length))).toBe('refused')
  })

  it('is assessed without a throw when its values are others', () => {
    let assessed = 0
    fc.assert(
      fc.property(graft, (change) => {
        const bytes = encodeGraft(value, change)
        const read = bytes === undefined ? 'refused' : survives(bytes)
        if (read === 'refused') return
        assessed++
        const { guaranteedKbps, estimateKbps, faults } = assess(read)
        expect(Number.isSafeInteger(guaranteedKbps) && Number.isSafeInteger(estimateKbps)).toBe(true)
        for (const fault of faults) expect(fault.message).not.toContain('\n')
      }),
      { numRuns: fuzzRuns(0.15) },
    )
    expect(assessed).toBeGreaterThan(0)
  })
})
