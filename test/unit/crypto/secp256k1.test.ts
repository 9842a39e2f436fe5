/** libsecp256k1 in WebAssembly against @noble/curves: the same signatures, and the same keys from whatever comes. */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fastSecp256k1, loadSecp256k1 } from '../../../src/crypto/fast/secp256k1.js'
import { Identity, recoverPublicKey } from '../../../src/crypto/identity.js'

const library = loadSecp256k1('libsecp256k1')
const noble = loadSecp256k1('noble')
const { n: ORDER, p: PRIME } = secp256k1.Point.CURVE()
const bytesOf = (value: bigint): Uint8Array => hexToBytes(value.toString(16).padStart(64, '0'))
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
/** Numbers at every border: 0, half of the order, the order, the field's prime, and anything. */
const scalar = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    2n,
    ORDER / 2n,
    ORDER / 2n + 1n,
    ORDER - 1n,
    ORDER,
    ORDER + 1n,
    PRIME,
    2n ** 256n - 1n,
  ),
  fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
)
const recoveryId = fc.constantFrom(0 as const, 1 as const)
const secret = fc.bigInt({ min: 1n, max: ORDER - 1n }).map(bytesOf)

describe('secp256k1', () => {
  it('is the fast one here', () => {
    expect(fastSecp256k1().name).toBe('libsecp256k1')
  })

  it('signs as noble does, whatever the digest and the key', () => {
    fc.assert(
      fc.property(fc.oneof(hash, scalar.map(bytesOf)), secret, (digest, key) => {
        const signature = library.sign(digest, key)
        expect(signature).toEqual(noble.sign(digest, key))
        const { compact, recoveryId } = signature
        expect(library.recover(digest, compact, recoveryId)).toEqual(secp256k1.getPublicKey(key))
        expect(library.recover(digest, compact, recoveryId === 0 ? 1 : 0)).not.toEqual(
          secp256k1.getPublicKey(key),
        )
      }),
      { numRuns: 50 },
    )
  })

  it('recovers what noble recovers, and nothing where noble finds nothing', () => {
    fc.assert(
      fc.property(hash, scalar, scalar, recoveryId, (digest, r, s, id) => {
        const compact = Uint8Array.of(...bytesOf(r), ...bytesOf(s))
        expect(library.recover(digest, compact, id)).toEqual(noble.recover(digest, compact, id))
      }),
      { numRuns: 200 },
    )
  })

  it('recovers what noble recovers from damaged signatures', () => {
    const identity = Identity.generate()
    fc.assert(
      fc.property(
        hash,
        fc.nat({ max: 63 }),
        fc.integer({ min: 1, max: 255 }),
        recoveryId,
        (digest, at, flip, id) => {
          const compact = identity.sign(digest).slice(0, 64)
          compact[at] = (compact[at] ?? 0) ^ flip
          expect(library.recover(digest, compact, id)).toEqual(noble.recover(digest, compact, id))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('takes s up to half of the order, and no higher', () => {
    const digest = new Uint8Array(32).fill(7)
    const r = secp256k1.getPublicKey(bytesOf(5n)).subarray(1)
    const of = (s: bigint) => recoverPublicKey(digest, Uint8Array.of(...r, ...bytesOf(s), 27))
    expect(of(ORDER / 2n)).toBeDefined()
    expect(of(ORDER / 2n + 1n)).toBeUndefined()
  })

  it('refuses what is no digest and no key, and names neither', () => {
    const key = bytesOf(0x1234567890abcdef1234567890abcdef1234567890abcdef1234567890abcdefn)
    for (const [digest, secretKey] of [
      [new Uint8Array(31), key],
      [new Uint8Array(32), new Uint8Array(32)],
      [new Uint8Array(32), bytesOf(ORDER)],
      [new Uint8Array(32), key.subarray(1)],
    ] as const) {
      expect(() => library.sign(digest, secretKey)).toThrow(/^Expected (Hash|Private)$/)
    }
  })
})
