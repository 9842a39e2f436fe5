/**
 * BLS signatures on G1 with keys on G2 (BLS12-381), as drand's `bls-unchained-g1-rfc9380` scheme uses them.
 * Sources: RFC 9380 (hash to curve), draft-irtf-cfrg-bls-signature-05, https://docs.drand.love/docs/cryptography
 */
import { bls12_381 } from '@noble/curves/bls12-381.js'

const scheme = bls12_381.shortSignatures
/** Compressed G1 point. */
export const BLS_SIGNATURE_BYTES = 48
/** Compressed G2 point. */
export const BLS_PUBLIC_KEY_BYTES = 96
export const BLS_SECRET_BYTES = 32
/** Domain separation of drand's scheme and of the basic ciphersuite. */
export const BLS_G1_DST = 'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_'

/** A fresh secret, uniform in 1..r-1. */
export function generateBlsSecret(): Uint8Array {
  return bls12_381.utils.randomSecretKey()
}

/** @throws where the secret is not 32 bytes in 1..r-1. */
export function blsPublicKey(secret: Uint8Array): Uint8Array {
  return scheme.getPublicKey(secret).toBytes(true)
}

/** Signs arbitrary bytes; 48 bytes, deterministic. About 5 ms. */
export function blsSign(secret: Uint8Array, message: Uint8Array, dst: string = BLS_G1_DST): Uint8Array {
  return scheme.Signature.toBytes(scheme.sign(scheme.hash(message, dst), secret))
}

/**
 * Verifies one signature; false for malformed points, points outside the prime-order subgroup and the point at
 * infinity as well. Never throws. About 20 ms.
 */
export function blsVerify(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  dst: string = BLS_G1_DST,
): boolean {
  if (publicKey.length !== BLS_PUBLIC_KEY_BYTES || signature.length !== BLS_SIGNATURE_BYTES) return false
  try {
    const key = bls12_381.G2.Point.fromBytes(publicKey)
    const point = bls12_381.G1.Point.fromBytes(signature)
    if (key.is0() || point.is0()) return false
    key.assertValidity()
    point.assertValidity()
    return scheme.verify(point, scheme.hash(message, dst), key)
  } catch {
    return false
  }
}
