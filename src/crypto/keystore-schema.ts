/**
 * The shape of a Web3 Secret Storage v3 file and the limits we put on it. A key file may come from anywhere, and its
 * cost parameters say how much memory and time opening it takes, so they are bounded before any work is done.
 */
import { UserError } from '../errors.js'

export interface KeystoreV3 {
  readonly version: 3
  readonly id?: string
  /** 40 lower-case hex digits, without 0x. */
  readonly address?: string
  readonly crypto: {
    readonly cipher: 'aes-128-ctr'
    readonly cipherparams: { readonly iv: string }
    readonly ciphertext: string
    readonly mac: string
  } & (
    | {
        readonly kdf: 'scrypt'
        readonly kdfparams: {
          readonly dklen: number
          readonly n: number
          readonly r: number
          readonly p: number
          readonly salt: string
        }
      }
    | {
        readonly kdf: 'pbkdf2'
        readonly kdfparams: {
          readonly dklen: number
          readonly c: number
          readonly prf: string
          readonly salt: string
        }
      }
  )
}

/** A file of ours has 600 bytes; other wallets add names and metadata. */
export const KEYSTORE_MAX_BYTES = 16_384
/** scrypt takes 128 N r bytes: twice the standard's 256 MiB is as far as a small node should go. */
const SCRYPT_MAX_MEMORY_BYTES = 512 * 1_048_576
/** Time grows as N r p: four times the standard's 262144 x 8 x 1. */
const SCRYPT_MAX_WORK = 4 * 262_144 * 8
/** The definition's example uses 262144; wallets go to a million. */
const PBKDF2_MAX_ITERATIONS = 10_000_000
const MAX_SALT_BYTES = 64

/**
 * Parses and checks the text of a key file. Hex is normalised to lower case without 0x.
 * @throws UserError BAD_KEY with one line that names the field; never echoes the file's contents.
 */
export function parseKeystore(text: string): KeystoreV3 {
  if (text.length > KEYSTORE_MAX_BYTES) throw bad(`is longer than ${KEYSTORE_MAX_BYTES} bytes`)
  let root: unknown
  try {
    root = JSON.parse(text)
  } catch {
    throw bad('is not JSON')
  }
  const file = record(root, 'the file')
  if (file.version !== 3) throw bad('is not of version 3 of Web3 Secret Storage')
  // Some early wallets wrote "Crypto".
  const crypto = record(file.crypto ?? file.Crypto, 'crypto')
  if (crypto.cipher !== 'aes-128-ctr') throw bad('uses a cipher other than aes-128-ctr')
  const common = {
    cipher: 'aes-128-ctr',
    cipherparams: {
      iv: hex(record(crypto.cipherparams, 'crypto.cipherparams').iv, 'crypto.cipherparams.iv', 16, 16),
    },
    ciphertext: hex(crypto.ciphertext, 'crypto.ciphertext', 32, 32),
    mac: hex(crypto.mac, 'crypto.mac', 32, 32),
  } as const
  const address = file.address === undefined ? {} : { address: hex(file.address, 'address', 20, 20) }
  return { version: 3, ...address, crypto: { ...common, ...keyDerivation(crypto) } }
}

function keyDerivation(crypto: Readonly<Record<string, unknown>>) {
  const params = record(crypto.kdfparams, 'crypto.kdfparams')
  const salt = hex(params.salt, 'crypto.kdfparams.salt', 1, MAX_SALT_BYTES)
  const dklen = integer(params.dklen, 'crypto.kdfparams.dklen', 32, 32)
  if (crypto.kdf === 'scrypt') {
    const n = integer(params.n, 'crypto.kdfparams.n', 2, 2 ** 24)
    const r = integer(params.r, 'crypto.kdfparams.r', 1, 1024)
    const p = integer(params.p, 'crypto.kdfparams.p', 1, 1024)
    if ((n & (n - 1)) !== 0) throw bad('has a scrypt n that is not a power of two')
    if (128 * n * r > SCRYPT_MAX_MEMORY_BYTES || n * r * p > SCRYPT_MAX_WORK)
      throw bad(`asks for an absurd scrypt cost (n=${n}, r=${r}, p=${p})`)
    return { kdf: 'scrypt', kdfparams: { dklen, n, r, p, salt } } as const
  }
  if (crypto.kdf === 'pbkdf2') {
    const c = integer(params.c, 'crypto.kdfparams.c', 1, PBKDF2_MAX_ITERATIONS)
    if (params.prf !== 'hmac-sha256') throw bad('uses a PBKDF2 function other than hmac-sha256')
    return { kdf: 'pbkdf2', kdfparams: { dklen, c, prf: 'hmac-sha256', salt } } as const
  }
  throw bad('uses a key derivation other than scrypt and pbkdf2')
}

function bad(what: string): UserError {
  return new UserError(`the key file ${what}`, {
    code: 'BAD_KEY',
    remedy: 'restore it from a backup, or point at another file',
  })
}

function record(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad(`has no object at ${name}`)
  return value as Readonly<Record<string, unknown>>
}

function integer(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
    throw bad(`needs an integer ${min === max ? min : `${min}..${max}`} at ${name}`)
  return value
}

function hex(value: unknown, name: string, minBytes: number, maxBytes: number): string {
  const digits = typeof value === 'string' ? value.replace(/^0x/, '').toLowerCase() : ''
  const bytes = digits.length / 2
  if (!/^(?:[0-9a-f]{2})+$/.test(digits) || bytes < minBytes || bytes > maxBytes)
    throw bad(
      `needs ${minBytes === maxBytes ? minBytes : `${minBytes}..${maxBytes}`} bytes of hex at ${name}`,
    )
  return digits
}
