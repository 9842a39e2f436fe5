/** Joint transcripts are files from anybody: refused in one line, or read; and no change of one credits more. FUZZ_RUNS for more. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type CborValue, encode } from '../../src/crypto/cbor.js'
import { decodeJointFile, encodeJointFile } from '../../src/pob/joint/file.js'
import { firstSendDigest } from '../../src/pob/joint/first-send.js'
import { verifyJoint } from '../../src/pob/joint/verify.js'
import { digestsOf } from '../../src/pob/request.js'
import { buildChallenge, sealed } from '../support/challenge-builder.js'
import {
  applyEdits,
  assaultCodec,
  edits,
  encodeGraft,
  fewRuns,
  graft,
  isOneLine,
} from '../support/mutations.js'

const challengeOf = (prover: string, salt: string) =>
  buildChallenge({
    label: 'joint fuzz',
    prover,
    salt,
    claimKbps: 300,
    committeeSize: 1,
    faulty: 0,
    uplinkShare: 2,
  })
const provers = ['a', 'b'].map((prover) => ({
  alone: challengeOf(`fuzz ${prover}`, 'alone'),
  together: challengeOf(`fuzz ${prover}`, 'together'),
}))
const file = encodeJointFile({
  version: 1,
  alone: provers.map(({ alone }) => sealed(alone)),
  together: provers.map(({ together }) => sealed(together)),
  firstSends: provers.map(({ together: { evidence, signers } }) =>
    evidence.slots.map(({ slot, attempt }) => {
      const said = { clock: new Uint8Array(32), firstSendMicros: 5_000_000 }
      const digest = firstSendDigest(digestsOf(evidence.request), { slot, attempt }, said)
      return signers.members.map((member) => ({ ...said, signature: member.sign(digest) }))
    }),
  ),
})
const value = decodeJointFile(file) as unknown as CborValue
const genuine = verifyJoint(file)

it('survives anything in the place of a joint transcript', () => {
  expect(genuine.link?.verdict).toBe('separate')
  const codec = { decode: decodeJointFile, encode: (read: unknown) => encode(read as CborValue) }
  expect(assaultCodec(value, codec, fewRuns(0.05))).toBeGreaterThan(0)
})

it('credits no more when it was changed, and accuses nobody', () => {
  fc.assert(
    fc.property(fc.oneof(edits, graft), (change) => {
      const changed = Array.isArray(change)
        ? applyEdits(file, change)
        : encodeGraft(value, change as Parameters<typeof encodeGraft>[1])
      if (changed === undefined) return
      const { level, link, faults } = verifyJoint(changed)
      for (const { message } of faults) expect(isOneLine(message)).toBe(true)
      if (level === undefined) return
      expect(link?.creditKbps).toBeLessThanOrEqual(genuine.link?.creditKbps ?? 0)
      expect(link?.verdict).not.toBe('shared')
    }),
    { numRuns: fewRuns(0.1) },
  )
})
