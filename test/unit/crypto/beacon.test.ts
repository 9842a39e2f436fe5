import { readFileSync } from 'node:fs'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import {
  firstRoundFrom,
  localBeacon,
  localChainHash,
  QUICKNET,
  roundAt,
  roundMessage,
  signRound,
  timeOfRound,
  verifyRound,
} from '../../../src/crypto/beacon.js'
import { blsPublicKey, blsSign, blsVerify, generateBlsSecret } from '../../../src/crypto/bls.js'

interface Vector {
  readonly dst: string
  readonly message: string
  readonly pk: string
  readonly sig: string
  readonly sig_compressed: string
  readonly drand_round_number: number
}
const vectors = JSON.parse(
  readFileSync(
    new URL('../../fixtures/vectors/crypto/bls12381_g1_signatures_and_quicknet.json', import.meta.url),
    'utf8',
  ),
) as readonly Vector[]

/** The file holds uncompressed points in the order c1 || c0 for G2, flags cleared. */
const compressedKey = (hex: string): Uint8Array => bls12_381.G2.Point.fromHex(hex).toBytes(true)

describe('BLS on G1 (randa-mu/bls-solidity vectors)', () => {
  it('accepts every vector under its own domain and no other', () => {
    for (const { dst, message, pk, sig_compressed, drand_round_number } of vectors) {
      const key = compressedKey(pk)
      const signature = hexToBytes(sig_compressed)
      const bytes = hexToBytes(message)
      expect(blsVerify(key, bytes, signature, dst), `${dst} ${drand_round_number}`).toBe(true)
      expect(blsVerify(key, bytes, signature, `${dst}x`)).toBe(false)
      expect(blsVerify(key, sha256(bytes), signature, dst)).toBe(false)
    }
    expect(vectors.length).toBeGreaterThanOrEqual(4)
  })

  it('refuses infinity, points off the curve, points outside the subgroup and other lengths', () => {
    const secret = generateBlsSecret()
    const key = blsPublicKey(secret)
    const message = Uint8Array.of(1, 2, 3)
    const signature = blsSign(secret, message)
    expect(blsVerify(key, message, signature)).toBe(true)
    const infinity = new Uint8Array(48)
    infinity[0] = 0xc0
    const infinityKey = new Uint8Array(96)
    infinityKey[0] = 0xc0
    expect(blsVerify(key, message, infinity)).toBe(false)
    expect(blsVerify(infinityKey, message, infinity)).toBe(false)
    // x = 4 lies on the curve, but not in the prime-order subgroup.
    const outside = new Uint8Array(48)
    outside[0] = 0x80
    outside[47] = 4
    expect(() => bls12_381.G1.Point.fromBytes(outside)).toThrow('subgroup')
    expect(blsVerify(key, message, outside)).toBe(false)
    expect(blsVerify(key, message, signature.subarray(1))).toBe(false)
    expect(blsVerify(key, message, new Uint8Array(48))).toBe(false)
    expect(blsVerify(new Uint8Array(96).fill(0xff), message, signature)).toBe(false)
  })
})

describe('beacon', () => {
  const rounds = vectors.filter((vector) => vector.drand_round_number > 0)

  it('verifies real quicknet rounds', () => {
    expect(rounds.length).toBeGreaterThanOrEqual(2)
    for (const { drand_round_number: round, pk, message, sig_compressed } of rounds) {
      expect(bytesToHex(compressedKey(pk))).toBe(bytesToHex(QUICKNET.publicKey))
      expect(bytesToHex(roundMessage(round))).toBe(message)
      const signature = hexToBytes(sig_compressed)
      expect(verifyRound(QUICKNET, round, signature)).toEqual(sha256(signature))
      expect(verifyRound(QUICKNET, round + 1, signature)).toBe(false)
    }
    expect(verifyRound(QUICKNET, 0, new Uint8Array(48))).toBe(false)
    expect(verifyRound(QUICKNET, 1.5, new Uint8Array(48))).toBe(false)
  })

  it('converts rounds to times and back', () => {
    for (const info of [QUICKNET, { ...QUICKNET, periodSeconds: 1, genesisTimeSeconds: 1000 }]) {
      expect(roundAt(info, info.genesisTimeSeconds - 0.001)).toBe(0)
      expect(roundAt(info, info.genesisTimeSeconds)).toBe(1)
      expect(timeOfRound(info, 1)).toBe(info.genesisTimeSeconds)
      for (const round of [1, 2, 17, 20_791_007]) {
        const time = timeOfRound(info, round)
        expect(roundAt(info, time)).toBe(round)
        expect(roundAt(info, time - 0.001)).toBe(round - 1)
        expect(firstRoundFrom(info, time)).toBe(round)
        expect(firstRoundFrom(info, time + 0.001)).toBe(round + 1)
      }
      expect(firstRoundFrom(info, 0)).toBe(1)
      expect(() => timeOfRound(info, 0)).toThrow(RangeError)
    }
  })

  it('signs local rounds that verify under the local description only', () => {
    const secret = generateBlsSecret()
    const info = localBeacon(secret, { genesisTimeSeconds: 1_700_000_000, periodSeconds: 1 })
    const signature = signRound(secret, 5)
    expect(verifyRound(info, 5, signature)).toEqual(sha256(signature))
    expect(verifyRound(info, 6, signature)).toBe(false)
    expect(verifyRound(QUICKNET, 5, signature)).toBe(false)
    expect(() => signRound(secret, 0)).toThrow(RangeError)
  })

  it('names a local beacon by every one of its parameters', () => {
    const secret = generateBlsSecret()
    const base = localBeacon(secret, { genesisTimeSeconds: 1_700_000_000, periodSeconds: 3 })
    const names = [
      base.chainHash,
      localChainHash({ ...base, periodSeconds: 1 }),
      localChainHash({ ...base, genesisTimeSeconds: 1_700_000_003 }),
      localChainHash({ ...base, publicKey: QUICKNET.publicKey }),
    ].map(bytesToHex)
    expect(new Set(names).size).toBe(4)
    expect(localChainHash(base)).toEqual(base.chainHash)
  })
})
