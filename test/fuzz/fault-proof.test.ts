/** Fault proofs are files from anybody: refused in one line, or read; and no change of one convicts. FUZZ_RUNS for more. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CborValue, encode } from '../../src/crypto/cbor.js'
import { decodeFaultProof, encodeFaultProof, objectionTo } from '../../src/pob/fault-proof.js'
import { planStatementDigest } from '../../src/pob/plan.js'
import type { ProvableFault } from '../../src/pob/provable-faults.js'
import { digestsOf } from '../../src/pob/request.js'
import { resultDigest } from '../../src/pob/result.js'
import { ackListDigest } from '../../src/pob/slot.js'
import { buildChallenge, signTestimony } from '../support/challenge-builder.js'
import {
  applyEdits,
  assaultCodec,
  edits,
  encodeGraft,
  fewRuns,
  graft,
  isOneLine,
  readOrRefuse,
} from '../support/mutations.js'

const built = buildChallenge({ label: 'fuzz', claimKbps: 700, committeeSize: 3, faulty: 1, teamSize: 1 })
const { request } = built.evidence
const [member] = built.signers.members
const [slot] = built.evidence.slots
const [testimony] = slot?.testimonies ?? []
const [commitment] = slot?.commitments ?? []
if (member === undefined || !testimony || !commitment) throw new Error('no slot')
const digests = digestsOf(request)
const scope = { challengeId: digests.challengeId, ...digests.domain }
const run = { slot: 0, attempt: 0 }
const hash = (byte: number) => new Uint8Array(32).fill(byte)
const accused = member.address
const { signature: _, ...content } = testimony

const resultOf = (guaranteedKbps: number) => {
  const value = { evidenceHash: hash(1), guaranteedKbps, estimateKbps: 800, owed: hash(7) }
  return { value, signature: member.sign(resultDigest(digests, value)) }
}
const listOf = (byte: number) => {
  const value = [hash(byte), hash(9)]
  return { value, signature: member.sign(ackListDigest(digests, run, value)) }
}
const planOf = (byte: number) => {
  const planHash = hash(byte)
  const digest = planStatementDigest(digests, { planHash, signature: new Uint8Array(65) })
  return { planHash, signature: member.sign(digest) }
}
const testified = (change: object) => signTestimony({ request }, run, member, { ...content, ...change })

const FAULTS: readonly ProvableFault[] = [
  { kind: 'results', accused, results: [resultOf(600), resultOf(700)] },
  { kind: 'testimonies', accused, run, testimonies: [testimony, testified({ sentPackets: 1 })] },
  { kind: 'seed', accused, run, commitment, testimony: testified({ seed: hash(3) }) },
  { kind: 'ack-lists', accused, run, lists: [listOf(1), listOf(2)] },
  { kind: 'plans', accused, plans: [planOf(1), planOf(2)] },
]

describe.each(FAULTS)('a fault proof of $kind', (fault) => {
  const file = encodeFaultProof(scope, fault)
  const value = decodeFaultProof(file) as unknown as CborValue

  it('survives anything in its place', () => {
    expect(objectionTo(decodeFaultProof(file))).toBeUndefined()
    const codec = { decode: decodeFaultProof, encode: (read: unknown) => encode(read as CborValue) }
    expect(assaultCodec(value, codec, fewRuns(0.05))).toBeGreaterThan(0)
  })

  it('convicts nobody when it was changed', () => {
    fc.assert(
      fc.property(fc.oneof(edits, graft), (change) => {
        const changed = Array.isArray(change)
          ? applyEdits(file, change)
          : encodeGraft(value, change as Parameters<typeof encodeGraft>[1])
        if (changed === undefined || Buffer.compare(changed, file) === 0) return
        const read = readOrRefuse(() => decodeFaultProof(changed))
        if (read === 'refused') return
        const objection = objectionTo(read)
        expect(objection !== undefined && isOneLine(objection)).toBe(true)
      }),
      { numRuns: fewRuns(0.1) },
    )
  })
})
