/** What transcripts prove against whom: each of the four faults, and nothing where a signature is not its party's own. */
import { describe, expect, it } from 'vitest'
import type { Evidence } from '../../../src/pob/evidence.js'
import { findProvableFaults } from '../../../src/pob/provable-faults.js'
import { capturedRoots, type SlotRecord } from '../../../src/pob/slot.js'
import { encodeTranscript } from '../../../src/pob/transcript.js'
import {
  buildChallenge,
  sealed,
  sealTranscript,
  signCapture,
  signTestimony,
  withSlot,
} from '../../support/challenge-builder.js'

const built = buildChallenge({
  label: 'provable',
  chainId: 31337,
  verifyingContract: new Uint8Array(20).fill(9),
})
const { evidence, signers } = built
const { request } = evidence
const kindsOf = (...transcripts: Uint8Array[]) =>
  findProvableFaults(transcripts).faults.map(({ kind, accused }) => [kind, accused])

/** The first slot with the first member's testimony changed, and signed by `signer`. */
function withTestimony(change: object, signer = signers.members[0]): Evidence {
  return withSlot(evidence, 0, (record): SlotRecord => {
    const [first, ...rest] = record.testimonies
    if (first === null || first === undefined || signer === undefined) throw new Error('no testimony')
    return {
      ...record,
      testimonies: [signTestimony({ request }, record, signer, { ...first, ...change }), ...rest],
    }
  })
}

describe('provable faults', () => {
  const [member, other] = signers.members
  const accused = member?.address

  it('are none in an honest transcript, shown once or twice', () => {
    expect(kindsOf(sealed(built))).toEqual([])
    expect(kindsOf(sealed(built), sealed(built))).toEqual([])
  })

  it('are a seed that the commitment does not open to', () => {
    const seed = new Uint8Array(32).fill(3)
    expect(kindsOf(sealed(built, withTestimony({ seed })))).toEqual([['seed', accused]])
  })

  it('are nothing that another signed in its name', () => {
    const seed = new Uint8Array(32).fill(3)
    expect(kindsOf(sealed(built, withTestimony({ seed }, other)))).toEqual([])
  })

  it('are two testimonies, and the two results that follow from them', () => {
    const two = kindsOf(sealed(built), sealed(built, withTestimony({ sentPackets: 1 })))
    expect(two).toContainEqual(['testimonies', accused])
    expect(two).toContainEqual(['results', other?.address])
    expect(two.filter(([kind]) => kind === 'results')).toHaveLength(signers.members.length)
  })

  it('are two results for one evidence, by those who signed both', () => {
    const transcript = sealTranscript(built)
    const lie = { ...transcript, guaranteedKbps: transcript.guaranteedKbps + 1 }
    // The old signatures do not fit the new number: they accuse nobody.
    expect(kindsOf(encodeTranscript(transcript), encodeTranscript(lie))).toEqual([])
  })

  it("are two of the prover's lists of acks", () => {
    const changed = withSlot(evidence, 0, (record) => {
      const { capture } = record
      if (capture === null) throw new Error('no capture')
      const { signature: _, ...content } = capture
      const counts = content.counts.map((ack, k) => (k === 0 ? ack.map((count) => count + 1) : ack))
      const other = signCapture({ request, signers }, record, { ...content, counts })
      expect(capturedRoots(other)).not.toEqual(capturedRoots(capture))
      return { ...record, capture: other }
    })
    expect(kindsOf(sealed(built), sealed(built, changed))).toContainEqual([
      'ack-lists',
      signers.prover.address,
    ])
  })

  it('are looked for in one challenge at a time', () => {
    const another = buildChallenge({ label: 'another' })
    expect(() => findProvableFaults([sealed(built), sealed(another)])).toThrow('several challenges')
    expect(() => findProvableFaults([])).toThrow('0 transcripts')
  })
})
