import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { getAddress, recoverAddress as viemRecover } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { decodeBase58, encodeBase58 } from '../../../src/crypto/base58.js'
import {
  addressBytes,
  addressOfPublicKey,
  Identity,
  parseAddress,
  peerIdOfPublicKey,
  publicKeyOfPeerId,
  recoverAddress,
  verifySignature,
} from '../../../src/crypto/identity.js'
import { UserError } from '../../../src/errors.js'

const SECRET = '7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d'
const ORDER = secp256k1.Point.Fn.ORDER

describe('identity', () => {
  it('has the address that viem derives and the peer id that libp2p derives', () => {
    for (let i = 0; i < 20; i++) {
      const identity = Identity.generate()
      const { account, libp2pId } = identity.withSecret((secret) => ({
        account: privateKeyToAccount(`0x${bytesToHex(secret)}`),
        libp2pId: peerIdFromPrivateKey(privateKeyFromRaw(secret)).toString(),
      }))
      expect(identity.address).toBe(account.address)
      expect(identity.peerId).toBe(libp2pId)
      expect(addressOfPublicKey(identity.publicKey)).toBe(account.address)
      expect(publicKeyOfPeerId(identity.peerId)).toEqual(identity.publicKey)
    }
  })

  it('signs as Ethereum does: viem recovers the address', async () => {
    const identity = Identity.fromSecret(hexToBytes(SECRET))
    for (let i = 0; i < 8; i++) {
      const digest = sha256(Uint8Array.of(i))
      const signature = identity.sign(digest)
      expect(signature).toHaveLength(65)
      expect([27, 28]).toContain(signature[64])
      const recovered = await viemRecover({ hash: digest, signature: `0x${bytesToHex(signature)}` })
      expect(recovered).toBe(identity.address)
      expect(recoverAddress(digest, signature)).toBe(identity.address)
      expect(verifySignature(identity.publicKey, digest, signature)).toBe(true)
    }
  })

  it('rejects the high-s twin of a signature, other values of v, and other lengths', () => {
    const identity = Identity.fromSecret(hexToBytes(SECRET))
    const digest = sha256(Uint8Array.of(1))
    const good = identity.sign(digest)
    const s = BigInt(`0x${bytesToHex(good.subarray(32, 64))}`)
    const twin = good.slice()
    twin.set(hexToBytes((ORDER - s).toString(16).padStart(64, '0')), 32)
    twin[64] = good[64] === 27 ? 28 : 27
    expect(recoverAddress(digest, twin)).toBeUndefined()
    for (const v of [0, 1, 26, 29, 255]) {
      const other = good.slice()
      other[64] = v
      expect(recoverAddress(digest, other)).toBeUndefined()
    }
    expect(recoverAddress(digest, good.subarray(0, 64))).toBeUndefined()
    expect(recoverAddress(digest.subarray(1), good)).toBeUndefined()
    expect(recoverAddress(digest, new Uint8Array(65))).toBeUndefined()
  })

  it('never recovers the signer from a changed digest or signature', () => {
    const identity = Identity.generate()
    const digest = sha256(Uint8Array.of(9))
    const good = identity.sign(digest)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 1, max: 255 }), (position, mask) => {
        const bad = good.slice()
        bad[position] = (bad[position] ?? 0) ^ mask
        expect(recoverAddress(digest, bad)).not.toBe(identity.address)
      }),
      { numRuns: 60 },
    )
  })

  it('hides the private key from JSON, inspect, strings and spreading', () => {
    const identity = Identity.fromSecret(hexToBytes(SECRET))
    const shown = [
      JSON.stringify(identity),
      inspect(identity, { depth: 10, showHidden: true }),
      `${identity}`,
      JSON.stringify({ ...identity }),
      inspect({ ...identity }, { depth: 10 }),
      Object.keys(identity).join(),
    ].join('\n')
    expect(shown).not.toContain(SECRET)
    expect(shown).not.toContain(hexToBytes(SECRET).join(','))
    expect(shown).not.toMatch(/122,\s*40,\s*181/)
  })

  it('wipes the copy it hands out', () => {
    const identity = Identity.fromSecret(hexToBytes(SECRET))
    const kept = identity.withSecret((secret) => secret)
    expect(kept.every((byte) => byte === 0)).toBe(true)
    expect(recoverAddress(sha256(kept), identity.sign(sha256(kept)))).toBe(identity.address)
  })

  it('refuses keys out of range without printing them', () => {
    for (const bad of [new Uint8Array(32), hexToBytes(ORDER.toString(16)), new Uint8Array(31).fill(7)]) {
      expect(() => Identity.fromSecret(bad)).toThrow('not a secp256k1 private key')
    }
  })
})

describe('peer ids and addresses', () => {
  it('refuses peer ids of other kinds of key', () => {
    const ed25519 = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
    const rsa = 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'
    expect(peerIdFromString(ed25519).type).toBe('Ed25519')
    for (const bad of [ed25519, rsa, '', 'hello world', '1'.repeat(4000), '0OIl'])
      expect(() => publicKeyOfPeerId(bad)).toThrow(UserError)
    const offCurve = new Uint8Array(33).fill(0xff)
    offCurve[0] = 2
    expect(() => publicKeyOfPeerId(peerIdOfPublicKey(offCurve))).toThrow(UserError)
  })

  it('round-trips base58', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(decodeBase58(encodeBase58(bytes))).toEqual(bytes)
      }),
    )
  })

  it('checks EIP-55 as viem does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (bytes) => {
        const lower = `0x${bytesToHex(bytes)}`
        expect(parseAddress(lower)).toBe(getAddress(lower))
        expect(addressBytes(lower)).toEqual(bytes)
      }),
    )
    // EIP-55's own example, and the same with one letter's case changed.
    expect(parseAddress('0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed')).toBe(
      '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
    )
    expect(() => parseAddress('0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed')).toThrow('wrong checksum')
    expect(() => parseAddress('0x5aAeb605')).toThrow(UserError)
  })
})

interface WycheproofGroup {
  readonly publicKey: { readonly uncompressed: string }
  readonly tests: readonly {
    readonly tcId: number
    readonly msg: string
    readonly sig: string
    readonly result: string
  }[]
}

describe('Wycheproof ecdsa_secp256k1_sha256_bitcoin (low s demanded)', () => {
  const file = new URL(
    '../../fixtures/vectors/crypto/ecdsa_secp256k1_sha256_bitcoin_test.json',
    import.meta.url,
  )
  const { testGroups } = JSON.parse(readFileSync(file, 'utf8')) as { testGroups: readonly WycheproofGroup[] }

  it('recovers the key for valid signatures under exactly one v, and under neither for invalid ones', () => {
    let valid = 0
    let invalid = 0
    let unrecoverable = 0
    for (const group of testGroups) {
      const publicKey = secp256k1.Point.fromHex(group.publicKey.uncompressed).toBytes(true)
      for (const test of group.tests) {
        const raw = rawSignature(test.sig)
        const digest = sha256(hexToBytes(test.msg))
        // Not strict DER: such a signature cannot be written as r || s at all.
        const accepted =
          raw === undefined
            ? false
            : [27, 28].some((v) => verifySignature(publicKey, digest, Uint8Array.from([...raw, v])))
        // R.x >= n: v 27 and 28 reach only R.x = r, in the EVM as here. No honest signer ever meets one.
        if (test.result === 'valid' && raw !== undefined && !accepted) {
          unrecoverable++
          continue
        }
        expect(accepted, `test ${test.tcId}`).toBe(test.result === 'valid')
        if (accepted) valid++
        else invalid++
      }
    }
    expect(valid).toBeGreaterThan(100)
    expect(invalid).toBeGreaterThan(100)
    expect(unrecoverable).toBeLessThanOrEqual(4)
  })

  function rawSignature(der: string): Uint8Array | undefined {
    try {
      const signature = secp256k1.Signature.fromBytes(hexToBytes(der), 'der')
      return signature.toBytes('compact')
    } catch {
      return undefined
    }
  }
})
