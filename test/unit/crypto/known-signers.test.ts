/** Signatures of known keys: OpenSSL and noble against recovery, whatever is done to them. */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KnownSigners, withRightV } from '../../../src/crypto/fast/known-signers.js'
import { Identity, recoverAddress } from '../../../src/crypto/identity.js'

const ORDER = secp256k1.Point.CURVE().n
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })

/** The same signature with the other s. */
function highS(signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32, 64)).toString('hex')}`)
  const out = signature.slice()
  out.set(Buffer.from((ORDER - s).toString(16).padStart(64, '0'), 'hex'), 32)
  return out
}

for (const backend of ['noble', undefined] as const)
  describe(`known signers (${backend ?? 'the fastest'})`, () => {
    const [alice, bob] = [Identity.generate(), Identity.generate()]

    it('take what recovery takes, and nothing else', () => {
      const signers = new KnownSigners(backend === undefined ? {} : { backend })
      fc.assert(
        fc.property(hash, fc.nat({ max: 64 }), fc.integer({ min: 1, max: 255 }), (digest, at, flip) => {
          const signature = alice.sign(digest)
          expect(signers.isBy(alice.address, digest, signature)).toBe(true)
          expect(signers.isBy(bob.address, digest, signature)).toBe(false)
          const bent = signature.slice()
          bent[at] = (bent[at] ?? 0) ^ flip
          // The last byte says which of two keys; that the key is known says the same.
          const v = bent[64]
          const expected = at === 64 ? v === 27 || v === 28 : recoverAddress(digest, bent) === alice.address
          expect(signers.isBy(alice.address, digest, bent)).toBe(expected)
          const other = digest.slice()
          other[at % 32] = (other[at % 32] ?? 0) ^ flip
          expect(signers.isBy(alice.address, other, signature)).toBe(false)
          expect(signers.isBy(alice.address, digest, highS(signature))).toBe(false)
        }),
        { numRuns: 40 },
      )
      expect(signers.count).toBe(1)
    })

    it('never throw, whatever comes', () => {
      const signers = new KnownSigners(backend === undefined ? {} : { backend })
      const digest = new Uint8Array(32).fill(9)
      for (const knows of [false, true]) {
        if (knows) signers.isBy(alice.address, digest, alice.sign(digest))
        for (const signature of [
          new Uint8Array(65),
          new Uint8Array(65).fill(255),
          new Uint8Array(65).fill(27),
          new Uint8Array(64),
          new Uint8Array(0),
        ])
          expect(signers.isBy(alice.address, digest, signature)).toBe(false)
        expect(signers.isBy(alice.address, digest.subarray(1), alice.sign(digest))).toBe(false)
      }
    })

    it('keep a bounded number of keys, the most recently used', () => {
      const signers = new KnownSigners({ maxKeys: 2, ...(backend === undefined ? {} : { backend }) })
      const digest = new Uint8Array(32).fill(5)
      for (const who of [alice, bob, alice, Identity.generate(), alice, bob]) {
        expect(signers.isBy(who.address, digest, who.sign(digest))).toBe(true)
        expect(signers.count).toBeLessThanOrEqual(2)
      }
    })

    it('mend the last byte for a contract', () => {
      const digest = new Uint8Array(32).fill(6)
      const signature = alice.sign(digest)
      const bent = signature.slice()
      bent[64] = 55 - (bent[64] ?? 0)
      const signers = new KnownSigners(backend === undefined ? {} : { backend })
      expect(signers.isBy(alice.address, digest, bent)).toBe(true)
      expect(withRightV(alice.address, digest, bent)).toEqual(signature)
      expect(withRightV(alice.address, digest, signature)).toEqual(signature)
    })
  })
