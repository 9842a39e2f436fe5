/**
 * ECDSA over secp256k1 with recovery. libsecp256k1 compiled to WebAssembly (tiny-secp256k1) where it loads and gives right
 * answers: 0.11 ms a signature and 0.25 ms a recovery, in place of @noble/curves' 0.47 and 1.4 (`npm run bench --
 * signatures`). Both sign deterministically (RFC 6979) and so alike. Loaded at the first use: most commands of the terminal sign nothing.
 */
import { createRequire } from 'node:module'
import { secp256k1 } from '@noble/curves/secp256k1.js'

/** Which of the two points with R's x it is: parity of its y. */
export type RecoveryId = 0 | 1

export interface RecoverableSignature {
  /** r || s, 64 bytes, low s. */
  readonly compact: Uint8Array
  readonly recoveryId: RecoveryId
}

export interface Secp256k1 {
  readonly name: 'libsecp256k1' | 'noble'
  /** @param digest 32 bytes. @param secret 32 bytes in 1..n-1. */
  sign(digest: Uint8Array, secret: Uint8Array): RecoverableSignature
  /**
   * The compressed public key whose signature it is, undefined where there is none.
   * @param digest 32 bytes. @param compact r || s, 64 bytes: anything.
   */
  recover(digest: Uint8Array, compact: Uint8Array, recoveryId: RecoveryId): Uint8Array | undefined
}

/** R's x is above the order in one of 2^127 signatures: no contract takes such a one. */
const asRecoveryId = (id: number | undefined): RecoveryId => {
  if (id !== 0 && id !== 1) throw new RangeError('a signature that no contract can recover')
  return id
}

const noble: Secp256k1 = {
  name: 'noble',
  sign(digest, secret) {
    const recovered = secp256k1.sign(digest, secret, { prehash: false, lowS: true, format: 'recovered' })
    return { compact: recovered.slice(1), recoveryId: asRecoveryId(recovered[0]) }
  },
  recover(digest, compact, recoveryId) {
    try {
      const signature = secp256k1.Signature.fromBytes(compact, 'compact').addRecoveryBit(recoveryId)
      return signature.recoverPublicKey(digest).toBytes(true)
    } catch {
      return undefined
    }
  },
}

/** @throws where WebAssembly or the package is missing */
function loadLibsecp256k1(): Secp256k1 {
  const library = createRequire(import.meta.url)('tiny-secp256k1') as typeof import('tiny-secp256k1')
  return {
    name: 'libsecp256k1',
    // Wipes its copy of the secret.
    sign(digest, secret) {
      const { signature, recoveryId } = library.signRecoverable(digest, secret)
      return { compact: signature, recoveryId: asRecoveryId(recoveryId) }
    },
    recover(digest, compact, recoveryId) {
      try {
        return library.recover(digest, compact, recoveryId, true) ?? undefined
      } catch {
        return undefined
      }
    },
  }
}

/** Known answers: noble's, and no key where there is none. */
function givesRightAnswers(library: Secp256k1): boolean {
  const [secret, digest] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  const [right, signature] = [noble, library].map((each) => each.sign(digest, secret))
  if (right === undefined || signature === undefined) return false
  const { compact, recoveryId } = signature
  const key = library.recover(digest, compact, recoveryId)
  return (
    recoveryId === right.recoveryId &&
    Buffer.compare(compact, right.compact) === 0 &&
    key !== undefined &&
    Buffer.compare(key, secp256k1.getPublicKey(secret)) === 0 &&
    library.recover(digest, new Uint8Array(64), 0) === undefined
  )
}

let chosen: Secp256k1 | undefined

/** One by its name. @throws where it does not load, or gives wrong answers */
export function loadSecp256k1(name: Secp256k1['name']): Secp256k1 {
  if (name === 'noble') return noble
  const library = loadLibsecp256k1()
  if (!givesRightAnswers(library)) throw new Error('libsecp256k1 gives wrong answers')
  return library
}

/** The fastest that gives right answers here, chosen once a thread. */
export function fastSecp256k1(): Secp256k1 {
  if (chosen !== undefined) return chosen
  try {
    chosen = loadSecp256k1('libsecp256k1')
  } catch {
    // No WebAssembly to be had: slower, the same answers.
    chosen = noble
  }
  return chosen
}
