/**
 * Whose signature it is, for signers that sign often. The first signature of an address is recovered, which gives its
 * public key; the next ones are verified with that, by OpenSSL's EVP_PKEY_verify through koffi where it can be had: 0.4
 * ms in place of 1.9 ms. Source: https://docs.openssl.org/3.0/man3/EVP_PKEY_verify/
 *
 * Verification cannot see which of two points a signature's last byte names, so that byte is not judged here: see
 * {@link withRightV} for what goes to a contract.
 */
import { createPublicKey } from 'node:crypto'
import { createRequire } from 'node:module'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import type { Address } from '../address.js'
import { addressOfPublicKey, recoverAddress, recoverPublicKey, SIGNATURE_BYTES } from '../identity.js'

/** Keys kept, each some 200 bytes here and 2 KB in OpenSSL; the one unused for longest goes first. */
const MAX_KEYS = 1024
const DIGEST_BYTES = 32
const V_AT = 64
const LEAST_V = 27
const SCRATCH_BYTES = 512
const KEY_AT = 16
const SIGNATURE_AT = 256
const DIGEST_AT = 400

/** A key whose signatures are verified; r || s in DER for OpenSSL. */
interface Verifier {
  verify(digest: Uint8Array, der: Uint8Array): boolean
  free(): void
}

type MakeVerifier = (publicKey: Uint8Array) => Verifier

const withNoble: MakeVerifier = (publicKey) => ({
  verify: (digest, der) =>
    secp256k1.verify(der, digest, publicKey, { prehash: false, lowS: true, format: 'der' }),
  free: () => {},
})

/** @throws where koffi or a symbol is missing */
function loadOpenSsl(): MakeVerifier {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const library = koffi.load(null)
  const pointer = 'uintptr_t'
  type Native = (...args: readonly number[]) => number
  const bind = (name: string, result: string, args: readonly string[]): Native =>
    library.func(name, result, [...args]) as Native
  const readKey = bind('d2i_PUBKEY', pointer, [pointer, pointer, 'long'])
  const freeKey = bind('EVP_PKEY_free', 'void', [pointer])
  const newContext = bind('EVP_PKEY_CTX_new', pointer, [pointer, pointer])
  const freeContext = bind('EVP_PKEY_CTX_free', 'void', [pointer])
  const begin = bind('EVP_PKEY_verify_init', 'int', [pointer])
  const verify = bind('EVP_PKEY_verify', 'int', [pointer, pointer, 'size_t', pointer, 'size_t'])
  // Above 64 bytes: a typed array that does not move.
  const scratch = new Uint8Array(SCRATCH_BYTES)
  const at = Number(koffi.address(scratch))
  return (publicKey) => {
    const spki = spkiOf(publicKey)
    scratch.set(spki, KEY_AT)
    // d2i moves the pointer that it is given.
    new DataView(scratch.buffer).setBigUint64(0, BigInt(at + KEY_AT), true)
    const key = readKey(0, at, spki.length)
    const context = key === 0 ? 0 : newContext(key, 0)
    if (context === 0 || begin(context) !== 1) throw new Error('OpenSSL does not take a secp256k1 key')
    return {
      verify: (digest, der) => {
        scratch.set(der, SIGNATURE_AT)
        scratch.set(digest, DIGEST_AT)
        return verify(context, at + SIGNATURE_AT, der.length, at + DIGEST_AT, DIGEST_BYTES) === 1
      },
      free: () => {
        freeContext(context)
        freeKey(key)
      },
    }
  }
}

function spkiOf(publicKey: Uint8Array): Uint8Array {
  const point = secp256k1.Point.fromBytes(publicKey).toBytes(false)
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) =>
    Buffer.from(half).toString('base64url'),
  )
  const key = createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'secp256k1', x: x ?? '', y: y ?? '' } })
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }))
}

let chosen: MakeVerifier | undefined

/** OpenSSL's where it gives right answers, noble's elsewhere. */
function chooseVerifier(): MakeVerifier {
  if (chosen !== undefined) return chosen
  chosen = withNoble
  try {
    const native = loadOpenSsl()
    const secret = new Uint8Array(32).fill(1)
    const [digest, other] = [new Uint8Array(32).fill(2), new Uint8Array(32).fill(3)]
    const der = secp256k1.sign(digest, secret, { prehash: false, format: 'der' })
    const verifier = native(secp256k1.getPublicKey(secret))
    if (verifier.verify(digest, der) && !verifier.verify(other, der)) chosen = native
    verifier.free()
  } catch {
    // No OpenSSL to be had: slower, the same answers.
  }
  return chosen
}

export class KnownSigners {
  readonly #make: MakeVerifier
  readonly #keys = new Map<Address, Verifier>()
  readonly #maxKeys: number

  /** @param backend `noble` forces the portable one */
  constructor(options: { readonly maxKeys?: number; readonly backend?: 'noble' } = {}) {
    this.#make = options.backend === 'noble' ? withNoble : chooseVerifier()
    this.#maxKeys = options.maxKeys ?? MAX_KEYS
  }

  get count(): number {
    return this.#keys.size
  }

  /** Whether `signature` (r || s || v, low s) over `digest` was made by the key of `address`. Never throws. */
  isBy(address: Address, digest: Uint8Array, signature: Uint8Array): boolean {
    if (digest.length !== DIGEST_BYTES || signature.length !== SIGNATURE_BYTES) return false
    const v = signature[V_AT] ?? 0
    if (v !== LEAST_V && v !== LEAST_V + 1) return false
    const known = this.#keys.get(address)
    if (known === undefined) return this.#meet(address, digest, signature)
    // The newest last: the first is the one unused for longest.
    this.#keys.delete(address)
    this.#keys.set(address, known)
    const der = derOf(signature)
    return der !== undefined && known.verify(digest, der)
  }

  #meet(address: Address, digest: Uint8Array, signature: Uint8Array): boolean {
    const found = keyOf(address, digest, signature) ?? keyOf(address, digest, withOtherV(signature))
    if (found === undefined) return false
    if (this.#keys.size >= this.#maxKeys) {
      const [oldest] = this.#keys
      if (oldest !== undefined) {
        oldest[1].free()
        this.#keys.delete(oldest[0])
      }
    }
    this.#keys.set(address, this.#make(found))
    return true
  }
}

/** The public key that made a signature, where it is the address's. */
function keyOf(address: Address, digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  const publicKey = recoverPublicKey(digest, signature)
  return publicKey !== undefined && addressOfPublicKey(publicKey) === address ? publicKey : undefined
}

/** r || s in DER; undefined where s is high, or either is zero or out of range. */
function derOf(signature: Uint8Array): Uint8Array | undefined {
  try {
    const parsed = secp256k1.Signature.fromBytes(signature.subarray(0, V_AT), 'compact')
    return parsed.hasHighS() ? undefined : parsed.toBytes('der')
  } catch {
    return undefined
  }
}

function withOtherV(signature: Uint8Array): Uint8Array {
  const other = signature.slice()
  other[V_AT] = 2 * LEAST_V + 1 - (other[V_AT] ?? 0)
  return other
}

/** A signature of `address` with the last byte that a contract's ecrecover needs, whichever it came with. */
export function withRightV(address: Address, digest: Uint8Array, signature: Uint8Array): Uint8Array {
  return recoverAddress(digest, signature) === address ? signature : withOtherV(signature)
}
