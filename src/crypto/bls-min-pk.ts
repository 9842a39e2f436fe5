/**
 * BLS signatures with keys on G1 and signatures on G2 (BLS12-381, "min-pk"): what aggregates of a committee use.
 * The three schemes differ in how they stop rogue keys: basic wants distinct messages, augmentation signs the key
 * along, possession wants a proof for every key beforehand.
 * Source: draft-irtf-cfrg-bls-signature-06, sections 2 and 3.
 */
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js'

const scheme = bls12_381.longSignatures
type G1Point = ReturnType<typeof bls12_381.G1.Point.fromBytes>
type G2Point = ReturnType<typeof bls12_381.G2.Point.fromBytes>

/** Compressed G1 point. */
export const MIN_PK_PUBLIC_KEY_BYTES = 48
/** Compressed G2 point. */
export const MIN_PK_SIGNATURE_BYTES = 96

/** Ciphersuites (section 4.2), which are their signatures' domain separation tags as well. */
export const MIN_PK_SUITES = {
  basic: 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_',
  augmentation: 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_AUG_',
  possession: 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_',
} as const
export type MinPkScheme = keyof typeof MIN_PK_SUITES

/** Proofs of possession have a tag of their own, so that no proof is a signature. */
const PROOF_DST = 'BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_'
/** An aggregate of more is not looked at. */
const MAX_SIGNERS = 65_536

/** hash_to_curve into G2 (RFC 9380, section 8.8.2); 96 bytes, compressed. */
export function hashToG2(message: Uint8Array, dst: string): Uint8Array {
  return bls12_381.G2.Point.fromAffine(bls12_381.G2.hashToCurve(message, { DST: dst }).toAffine()).toBytes(
    true,
  )
}

/** KeyValidate (section 2.5): a point of the prime-order subgroup that is not infinity. */
function keyOf(bytes: Uint8Array): G1Point {
  if (bytes.length !== MIN_PK_PUBLIC_KEY_BYTES) throw new RangeError('a public key has 48 bytes')
  const point = bls12_381.G1.Point.fromBytes(bytes)
  point.assertValidity()
  if (point.is0()) throw new RangeError('the point at infinity is no key')
  return point
}

function signatureOf(bytes: Uint8Array): G2Point {
  if (bytes.length !== MIN_PK_SIGNATURE_BYTES) throw new RangeError('a signature has 96 bytes')
  const point = bls12_381.G2.Point.fromBytes(bytes)
  point.assertValidity()
  if (point.is0()) throw new RangeError('the point at infinity is no signature')
  return point
}

/** Malformed input is an invalid signature, never an exception. */
function isTrue(check: () => boolean): boolean {
  try {
    return check()
  } catch {
    return false
  }
}

const messageOf = (suite: MinPkScheme, key: Uint8Array, message: Uint8Array): Uint8Array =>
  suite === 'augmentation' ? concatBytes(key, message) : message

/** e(key_1, H(m_1)) ... e(key_n, H(m_n)) = e(G1, signature). */
function pairsMatch(
  keys: readonly G1Point[],
  messages: readonly Uint8Array[],
  signature: G2Point,
  dst: string,
): boolean {
  const pairs = keys.map((g1, i) => ({ g1, g2: scheme.hash(messages[i] ?? new Uint8Array(0), dst) }))
  const product = bls12_381.pairingBatch([...pairs, { g1: bls12_381.G1.Point.BASE.negate(), g2: signature }])
  return bls12_381.fields.Fp12.eql(product, bls12_381.fields.Fp12.ONE)
}

/** Verify (section 2.7). Never throws; about 25 ms. */
export function minPkVerify(
  suite: MinPkScheme,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return isTrue(() =>
    pairsMatch(
      [keyOf(publicKey)],
      [messageOf(suite, publicKey, message)],
      signatureOf(signature),
      MIN_PK_SUITES[suite],
    ),
  )
}

/**
 * AggregateVerify (sections 3.1.1, 3.2.3, 3.3): one signature for as many messages as keys, at least one. The basic
 * scheme refuses a message that comes twice. Never throws.
 */
export function minPkAggregateVerify(
  suite: MinPkScheme,
  publicKeys: readonly Uint8Array[],
  messages: readonly Uint8Array[],
  signature: Uint8Array,
): boolean {
  const count = publicKeys.length
  if (count === 0 || count !== messages.length || count > MAX_SIGNERS) return false
  if (suite === 'basic' && new Set(messages.map(bytesToHex)).size !== count) return false
  return isTrue(() =>
    pairsMatch(
      publicKeys.map(keyOf),
      messages.map((message, i) => messageOf(suite, publicKeys[i] ?? message, message)),
      signatureOf(signature),
      MIN_PK_SUITES[suite],
    ),
  )
}

/** FastAggregateVerify (section 3.3.4): one message, keys whose possession was proven before. Never throws. */
export function minPkFastAggregateVerify(
  publicKeys: readonly Uint8Array[],
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKeys.length === 0 || publicKeys.length > MAX_SIGNERS) return false
  return isTrue(() => {
    const sum = publicKeys.map(keyOf).reduce((total, key) => total.add(key))
    if (sum.is0()) return false
    return pairsMatch([sum], [message], signatureOf(signature), MIN_PK_SUITES.possession)
  })
}

/** PopVerify (section 3.3.3): that whoever showed the key knows its secret. Never throws. */
export function minPkPossessionVerify(publicKey: Uint8Array, proof: Uint8Array): boolean {
  return isTrue(() => pairsMatch([keyOf(publicKey)], [publicKey], signatureOf(proof), PROOF_DST))
}

/** Aggregate (section 2.8); 96 bytes. @throws RangeError for no signature, or one that is none */
export function minPkAggregate(signatures: readonly Uint8Array[]): Uint8Array {
  if (signatures.length === 0) throw new RangeError('there is nothing to aggregate')
  return signatures
    .map(signatureOf)
    .reduce((total, each) => total.add(each))
    .toBytes(true)
}
