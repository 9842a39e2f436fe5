/**
 * Web3 Secret Storage version 3: a secp256k1 key under a passphrase. scrypt or PBKDF2, AES-128-CTR, and a keccak256
 * MAC that tells a wrong passphrase from a right one. Pure of files: keystore-file.ts reads and writes them.
 * Source: https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/
 */
import {
  createCipheriv,
  createDecipheriv,
  pbkdf2,
  randomBytes,
  randomUUID,
  scrypt,
  timingSafeEqual,
} from 'node:crypto'
import { promisify } from 'node:util'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import { UserError } from '../errors.js'
import { Identity } from './identity.js'
import { type KeystoreV3, parseKeystore } from './keystore-schema.js'

const pbkdf2Async = promisify(pbkdf2)
/** The definition's standard cost: 256 MiB and about a second. */
export const SCRYPT_STANDARD_COST = 262_144
/** For laboratories and tests, where the key is worth nothing: 4 MiB and some 10 ms. */
export const SCRYPT_LIGHT_COST = 4096
/** Below this a passphrase falls to a laptop; go-ethereum's light setting is 4096. */
const SCRYPT_MIN_COST_WRITTEN = 1024
const SCRYPT_BLOCK_SIZE = 8
const DERIVED_KEY_BYTES = 32

export interface EncryptOptions {
  /** scrypt N, a power of two; default {@link SCRYPT_STANDARD_COST}. Recorded in the file, as always. */
  readonly scryptCost?: number
}

/** Encrypts an identity. The passphrase is taken in Unicode NFKC, so that the same keys typed elsewhere match. */
export async function encryptKeystore(
  identity: Identity,
  passphrase: string,
  options: EncryptOptions = {},
): Promise<KeystoreV3> {
  const n = options.scryptCost ?? SCRYPT_STANDARD_COST
  if (
    !Number.isSafeInteger(n) ||
    n < SCRYPT_MIN_COST_WRITTEN ||
    n > SCRYPT_STANDARD_COST ||
    (n & (n - 1)) !== 0
  )
    throw new RangeError(`scrypt cost ${n} is not a power of two in 1024..262144`)
  const salt = randomBytes(32)
  const iv = randomBytes(16)
  const kdfparams = { dklen: DERIVED_KEY_BYTES, n, r: SCRYPT_BLOCK_SIZE, p: 1, salt: bytesToHex(salt) }
  const derived = await deriveScrypt(passphrase.normalize('NFKC'), salt, kdfparams)
  const ciphertext = identity.withSecret((secret) => {
    const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
    return concatBytes(cipher.update(secret), cipher.final())
  })
  const mac = keccak_256(concatBytes(derived.subarray(16, 32), ciphertext))
  derived.fill(0)
  return {
    version: 3,
    id: randomUUID(),
    address: identity.address.slice(2).toLowerCase(),
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: bytesToHex(iv) },
      ciphertext: bytesToHex(ciphertext),
      kdf: 'scrypt',
      kdfparams,
      mac: bytesToHex(mac),
    },
  }
}

/**
 * Decrypts the text of a keystore file.
 * @throws UserError BAD_KEY for a malformed or over-costly file, a wrong passphrase, or a key that does not belong
 *   to the address the file names.
 */
export async function decryptKeystore(text: string, passphrase: string): Promise<Identity> {
  const { crypto, address } = parseKeystore(text)
  const normalized = passphrase.normalize('NFKC')
  const identity =
    (await tryPassphrase(crypto, normalized)) ??
    // Other wallets do not normalise: a passphrase set there with decomposed letters must still open.
    (normalized === passphrase ? undefined : await tryPassphrase(crypto, passphrase))
  if (identity === undefined)
    throw new UserError('wrong passphrase for the key file', {
      code: 'BAD_KEY',
      remedy: 'check PLUMBLINE_PASSPHRASE or the passphrase file; there is no way round a lost passphrase',
    })
  if (address !== undefined && address !== identity.address.slice(2).toLowerCase())
    throw new UserError(`the key file says address 0x${address} but holds the key of ${identity.address}`, {
      code: 'BAD_KEY',
      remedy: 'restore the file from its backup',
    })
  return identity
}

async function tryPassphrase(
  crypto: KeystoreV3['crypto'],
  passphrase: string,
): Promise<Identity | undefined> {
  const salt = hexToBytes(crypto.kdfparams.salt)
  const derived =
    crypto.kdf === 'scrypt'
      ? await deriveScrypt(passphrase, salt, crypto.kdfparams)
      : await pbkdf2Async(passphrase, salt, crypto.kdfparams.c, DERIVED_KEY_BYTES, 'sha256')
  const ciphertext = hexToBytes(crypto.ciphertext)
  const mac = keccak_256(concatBytes(derived.subarray(16, 32), ciphertext))
  if (!timingSafeEqual(mac, hexToBytes(crypto.mac))) return undefined
  const decipher = createDecipheriv(
    'aes-128-ctr',
    derived.subarray(0, 16),
    hexToBytes(crypto.cipherparams.iv),
  )
  const secret = concatBytes(decipher.update(ciphertext), decipher.final())
  try {
    return Identity.fromSecret(secret)
  } catch (cause) {
    throw new UserError('the key file decrypts to something that is no secp256k1 key', {
      code: 'BAD_KEY',
      cause,
    })
  } finally {
    derived.fill(0)
    secret.fill(0)
  }
}

async function deriveScrypt(
  passphrase: string,
  salt: Uint8Array,
  cost: { readonly n: number; readonly r: number; readonly p: number },
): Promise<Uint8Array> {
  const { n, r, p } = cost
  // RFC 7914 wants N < 2^(16 r) and OpenSSL insists; the definition's own vector (r = 1, N = 2^18) breaks the rule.
  if (r < 4 && n >= 2 ** (16 * r)) {
    const { scryptAsync } = await import('@noble/hashes/scrypt.js')
    return scryptAsync(passphrase, salt, { N: n, r, p, dkLen: DERIVED_KEY_BYTES, maxmem: scryptMemory(cost) })
  }
  return new Promise((resolve, reject) => {
    const options = { N: n, r, p, maxmem: scryptMemory(cost) }
    scrypt(passphrase, salt, DERIVED_KEY_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

/** scrypt needs 128 r (N + p + 2) bytes and a little; Node's default ceiling is 32 MiB. */
function scryptMemory({ n, r, p }: { readonly n: number; readonly r: number; readonly p: number }): number {
  return 128 * r * (n + p + 2) + 1_048_576
}
