/**
 * ECDSA over secp256k1 in the two encodings that other programs use: DER (SEC 1, X9.62) and r || s (IEEE P1363). Our own
 * messages carry r || s || v with a low s: identity.ts.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js'

export interface EcdsaOptions {
  readonly encoding: 'der' | 'p1363'
  /** Refuse s above half the order, as Bitcoin and Ethereum do. */
  readonly lowS: boolean
}

/** @param publicKey SEC 1, compressed or not. @param digest of the message, any length. Never throws. */
export function verifyEcdsa(
  publicKey: Uint8Array,
  digest: Uint8Array,
  signature: Uint8Array,
  { encoding, lowS }: EcdsaOptions,
): boolean {
  try {
    const format = encoding === 'der' ? 'der' : 'compact'
    return secp256k1.verify(signature, digest, publicKey, { prehash: false, lowS, format })
  } catch {
    return false
  }
}
