/**
 * Wycheproof's BLS and secp256k1 files and drand's signatures through src/crypto. VECTORS_DIR points at another set: every
 * file below its `crypto` folder is run by what it says of itself, and one that nobody here understands is named.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { sha3_256, sha3_512, shake128, shake256 } from '@noble/hashes/sha3.js'
import { concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { blsVerify } from '../../src/crypto/bls.js'
import {
  hashToG2,
  MIN_PK_SUITES,
  type MinPkScheme,
  minPkAggregateVerify,
  minPkVerify,
} from '../../src/crypto/bls-min-pk.js'
import { verifyEcdsa } from '../../src/crypto/ecdsa.js'
import { verifySignature } from '../../src/crypto/identity.js'

interface Case {
  readonly tcId: number
  readonly comment: string
  readonly result: 'valid' | 'invalid' | 'acceptable'
  readonly msg: string
  readonly sig: string
  readonly expected: string
  readonly pubkeys: readonly string[]
  readonly messages: readonly string[]
}
interface PublicKey {
  readonly pk: string
  readonly uncompressed: string
  readonly curve: string
}
interface Group {
  readonly type: string
  readonly dst: string
  readonly ciphersuite: string
  readonly sha: string
  readonly publicKey: PublicKey
  /** The name of publicKey in version 0 of the ECDSA files. */
  readonly key?: PublicKey
  readonly tests: readonly Case[]
}
interface DrandEntry {
  readonly dst: string
  readonly message: string
  readonly pk: string
  readonly sig_compressed: string
  readonly pk_compressed?: string
}

const directory = process.env.VECTORS_DIR ?? new URL('../fixtures/vectors', import.meta.url).pathname
const folder = join(directory, 'crypto')
const files = existsSync(folder)
  ? readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort()
  : []

/** Odd or malformed hexadecimal is a case too: no bytes then. */
const bytes = (hex: string): Uint8Array => {
  try {
    return hexToBytes(hex)
  } catch {
    return new Uint8Array(0)
  }
}
const schemeOf = (suite: string): MinPkScheme | undefined =>
  (Object.keys(MIN_PK_SUITES) as MinPkScheme[]).find((name) => MIN_PK_SUITES[name] === suite)

type Digest = (message: Uint8Array) => Uint8Array
/** Longer digests are cut to the order's 256 bits by ECDSA itself. */
const DIGESTS: Readonly<Record<string, Digest>> = {
  'SHA-256': sha256,
  'SHA-512': sha512,
  'SHA3-256': sha3_256,
  'SHA3-512': sha3_512,
  SHAKE128: (message) => shake128(message, { dkLen: 32 }),
  SHAKE256: (message) => shake256(message, { dkLen: 64 }),
}

/** Wycheproof has secp256k1 files of these, too. */
const NOT_OURS: ReadonlySet<string> = new Set(['ECDH'])

const keyOf = (group: Group): PublicKey => group.publicKey ?? group.key

/** What a case of a group ought to give, and what it gives; undefined for a group of a kind that is not ours. */
function checkOf(group: Group): ((test: Case) => boolean) | undefined {
  const suite = schemeOf(group.ciphersuite)
  const digest = DIGESTS[group.sha]
  switch (group.type) {
    case 'BlsHashToG2':
      return ({ msg, expected }) => Buffer.from(hashToG2(bytes(msg), group.dst)).toString('hex') === expected
    case 'BlsSigVerify':
      return (
        suite && (({ msg, sig }) => minPkVerify(suite, bytes(group.publicKey.pk), bytes(msg), bytes(sig)))
      )
    case 'BlsAggregateVerify':
      return (
        suite &&
        (({ pubkeys, messages, sig }) =>
          minPkAggregateVerify(suite, pubkeys.map(bytes), messages.map(bytes), bytes(sig)))
      )
    case 'EcdsaVerify':
    case 'EcdsaBitcoinVerify':
    case 'EcdsaP1363Verify': {
      if (keyOf(group).curve !== 'secp256k1' || digest === undefined) return undefined
      const options = {
        encoding: group.type === 'EcdsaP1363Verify' ? 'p1363' : 'der',
        lowS: group.type === 'EcdsaBitcoinVerify',
      } as const
      const key = bytes(keyOf(group).uncompressed)
      return ({ msg, sig }) => verifyEcdsa(key, digest(bytes(msg)), bytes(sig), options)
    }
    default:
      return undefined
  }
}

describe.each(files)('%s', (name) => {
  const content = JSON.parse(readFileSync(join(folder, name), 'utf8')) as
    | { readonly algorithm?: string; readonly testGroups?: readonly Group[] }
    | readonly DrandEntry[]
  if (Array.isArray(content)) {
    it('drand signatures verify, and fail over another message', () => {
      for (const entry of content as readonly DrandEntry[]) {
        const [x1, x0] = [entry.pk.slice(0, 96), entry.pk.slice(96, 192)]
        const [y1, y0] = [entry.pk.slice(192, 288), entry.pk.slice(288)]
        const key = compressed(x1, x0, y1, y0)
        const message = bytes(entry.message)
        expect(blsVerify(key, message, bytes(entry.sig_compressed), entry.dst)).toBe(true)
        const other = concatBytes(message, new Uint8Array(1))
        expect(blsVerify(key, other, bytes(entry.sig_compressed), entry.dst)).toBe(false)
      }
    })
    return
  }
  const { algorithm = '', testGroups = [] } = content as {
    algorithm?: string
    testGroups?: readonly Group[]
  }
  if (NOT_OURS.has(algorithm)) {
    it.skip(`${algorithm}: nothing here does that`, () => undefined)
    return
  }
  it('every case', () => {
    const wrong: string[] = []
    let count = 0
    for (const group of testGroups) {
      const check = checkOf(group)
      if (check === undefined) {
        wrong.push(`groups of type ${group.type} (${group.ciphersuite ?? group.sha}) are not understood`)
        continue
      }
      for (const test of group.tests) {
        count++
        const got = check(test)
        if (test.result !== 'acceptable' && got !== (test.result === 'valid'))
          wrong.push(`${test.tcId} (${test.comment}): ${test.result}, we say ${got ? 'valid' : 'invalid'}`)
      }
    }
    expect(wrong).toEqual([])
    expect(count).toBeGreaterThan(0)
  })
  const ecdsa = testGroups.filter(({ type, sha }) => type.startsWith('Ecdsa') && sha === 'SHA-256')
  if (ecdsa.length > 0)
    it('the same signatures in our own form, r || s || v with a low s', () => {
      for (const group of ecdsa)
        for (const test of group.tests) {
          const rs = compactOf(bytes(test.sig), group.type)
          if (rs === undefined) continue
          const key = secp256k1.Point.fromBytes(bytes(keyOf(group).uncompressed)).toBytes(true)
          const digest = sha256(bytes(test.msg))
          const ours = [27, 28].some((v) => verifySignature(key, digest, concatBytes(rs, Uint8Array.of(v))))
          const theirs = verifyEcdsa(key, digest, rs, { encoding: 'p1363', lowS: true })
          // v of 27 and 28 cannot say that x was above the order: such a signature is valid and not ours.
          if (ours) expect([test.tcId, theirs]).toEqual([test.tcId, true])
          if (test.result === 'invalid' && group.type === 'EcdsaP1363Verify') expect(ours).toBe(false)
        }
    })
})

it('there are vectors', () => {
  expect(files.length).toBeGreaterThan(0)
})

/** 64 bytes, where it can be read. */
function compactOf(signature: Uint8Array, type: string): Uint8Array | undefined {
  try {
    const format = type === 'EcdsaP1363Verify' ? 'compact' : 'der'
    return secp256k1.Signature.fromBytes(signature, format).toBytes('compact')
  } catch {
    return undefined
  }
}

/** A G2 key of four field elements, c1 before c0, as 96 bytes with the sign of y in the first. */
function compressed(x1: string, x0: string, y1: string, y0: string): Uint8Array {
  const order =
    0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaabn
  const [high, low] = [BigInt(`0x${y1}`), BigInt(`0x${y0}`)]
  const larger = high === 0n ? low > (order - 1n) / 2n : high > (order - 1n) / 2n
  const out = bytes(x1 + x0)
  out[0] = (out[0] ?? 0) | (larger ? 0xa0 : 0x80)
  return out
}
