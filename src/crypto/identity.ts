/**
 * One secp256k1 key is a node's whole identity: its libp2p peer id and its EVM address.
 * The private key stays in a #private field: JSON, `util.inspect` and string conversion show the address only.
 */
import { inspect } from 'node:util'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type Address, addressOfPublicKey } from './address.js'
import { fastSecp256k1 } from './fast/secp256k1.js'
import { peerIdOfPublicKey } from './peer-id.js'

export { type Address, addressBytes, addressOfPublicKey, checksumAddress, parseAddress } from './address.js'
export { PUBLIC_KEY_BYTES, peerIdOfPublicKey, publicKeyOfPeerId } from './peer-id.js'

export const DIGEST_BYTES = 32
/** r (32) || s (32) || v (1), as Solidity's ecrecover wants it. */
export const SIGNATURE_BYTES = 65
const [S_AT, V_AT] = [32, 64]
/** v of the EVM: 27 + parity of R's y. */
const V_OFFSET = 27
/** (n - 1) / 2: the larger s of two is malleable. */
const MAX_LOW_S = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex')

/** What the rest of the program sees of a key. */
export interface Signer {
  /** Compressed SEC1, 33 bytes. */
  readonly publicKey: Uint8Array
  /** EIP-55. */
  readonly address: Address
  /** libp2p peer id, base58btc. */
  readonly peerId: string
  /** Signs a 32-byte digest: 65 bytes r || s || v, low s, deterministic (RFC 6979). Synchronous, about 0.1 ms. */
  sign(digest: Uint8Array): Uint8Array
}

export class Identity implements Signer {
  readonly publicKey: Uint8Array
  readonly address: Address
  readonly peerId: string
  readonly #secret: Uint8Array

  private constructor(secret: Uint8Array) {
    this.#secret = secret.slice()
    this.publicKey = secp256k1.getPublicKey(this.#secret, true)
    this.address = addressOfPublicKey(this.publicKey)
    this.peerId = peerIdOfPublicKey(this.publicKey)
  }

  /** @throws RangeError unless the secret is 32 bytes in 1..n-1. The message never holds the bytes. */
  static fromSecret(secret: Uint8Array): Identity {
    if (secret.length !== 32 || !secp256k1.utils.isValidSecretKey(secret))
      throw new RangeError('not a secp256k1 private key')
    return new Identity(secret)
  }

  /** A new random key from the system's generator. */
  static generate(): Identity {
    const secret = secp256k1.utils.randomSecretKey()
    try {
      return new Identity(secret)
    } finally {
      secret.fill(0)
    }
  }

  sign(digest: Uint8Array): Uint8Array {
    if (digest.length !== DIGEST_BYTES) throw new RangeError(`a digest has 32 bytes, not ${digest.length}`)
    const { compact, recoveryId } = fastSecp256k1().sign(digest, this.#secret)
    const signature = new Uint8Array(SIGNATURE_BYTES)
    signature.set(compact)
    signature[V_AT] = V_OFFSET + recoveryId
    return signature
  }

  /**
   * Hands a copy of the secret to `use` and wipes that copy afterwards: for the keystore, libp2p's key, the chain
   * account and what is sealed on the disk, nowhere else.
   */
  withSecret<T>(use: (secret: Uint8Array) => T): T {
    const copy = this.#secret.slice()
    try {
      return use(copy)
    } finally {
      copy.fill(0)
    }
  }

  toString(): string {
    return `Identity(${this.address})`
  }

  toJSON(): { readonly address: Address; readonly peerId: string } {
    return { address: this.address, peerId: this.peerId }
  }

  [inspect.custom](): string {
    return this.toString()
  }
}

/**
 * The compressed key that made a signature, or undefined where the signature is malformed: wrong length, v other
 * than 27 and 28, high s (malleable, EIP-2), zero or over-range r or s, or no such point. About 0.25 ms.
 */
export function recoverPublicKey(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  if (digest.length !== DIGEST_BYTES || signature.length !== SIGNATURE_BYTES) return undefined
  const recoveryId = (signature[V_AT] ?? 0) - V_OFFSET
  if (recoveryId !== 0 && recoveryId !== 1) return undefined
  if (MAX_LOW_S.compare(signature, S_AT, V_AT) < 0) return undefined
  return fastSecp256k1().recover(digest, signature.subarray(0, V_AT), recoveryId)
}

/** The address that made a signature, or undefined: see {@link recoverPublicKey}. */
export function recoverAddress(digest: Uint8Array, signature: Uint8Array): Address | undefined {
  const publicKey = recoverPublicKey(digest, signature)
  return publicKey === undefined ? undefined : addressOfPublicKey(publicKey)
}

/** True where `signature` over `digest` was made by the compressed key `publicKey`. Never throws. */
export function verifySignature(publicKey: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  const recovered = recoverPublicKey(digest, signature)
  return (
    recovered !== undefined &&
    publicKey.length === recovered.length &&
    recovered.every((b, i) => b === publicKey[i])
  )
}
