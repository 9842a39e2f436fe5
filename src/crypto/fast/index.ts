/**
 * The fastest backend that gives right answers here: OpenSSL through koffi, else node:crypto, else @noble. Chosen
 * once a thread, after a test with known answers, because a wrong call through a foreign function interface would
 * not throw.
 */
import { createHash } from 'node:crypto'
import { loadEvpCrypto } from './evp.js'
import { nobleCrypto } from './noble.js'
import { nodeCrypto } from './node.js'
import type { FastCrypto, FastCryptoName } from './types.js'

export type { FastCrypto, FastCryptoName, Gmac, Keystream, Region, RunningSha256 } from './types.js'

export interface FastCryptoChoice {
  readonly crypto: FastCrypto
  /** Why this one, for the log and `doctor`. */
  readonly reason: string
}

const loaders: Record<FastCryptoName, () => FastCrypto> = {
  evp: loadEvpCrypto,
  node: () => nodeCrypto,
  noble: () => nobleCrypto,
}

/** One backend by name, tested. @throws where it is missing or wrong. */
export function loadFastCrypto(name: FastCryptoName): FastCrypto {
  const crypto = loaders[name]()
  const wrong = selfTest(crypto)
  if (wrong !== undefined) throw new Error(`${name}: wrong ${wrong}`)
  return crypto
}

let chosen: FastCryptoChoice | undefined

/** The backend of this thread. @throws where none passes its test. */
export function fastCrypto(): FastCryptoChoice {
  if (chosen !== undefined) return chosen
  const failures: string[] = []
  for (const name of ['evp', 'node', 'noble'] as const) {
    try {
      const crypto = loadFastCrypto(name)
      const reason = failures.length === 0 ? 'OpenSSL through koffi, self-test passed' : failures.join('; ')
      chosen = { crypto, reason }
      return chosen
    } catch (error) {
      failures.push(`${name} unavailable: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw new Error(`no cryptography that works: ${failures.join('; ')}`)
}

/** One-shot SHA-256: about 1.3 us for small inputs, 0.5 ms for a megabyte. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Known answers: FIPS 180-2 "abc"; AES-128 of the zero block under the zero key; GCM spec test case 1. */
const ABC_DIGEST = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
const AES_ZERO_BLOCK = '66e94bd4ef8a2c3b884cfa59ca342b2e'
const AES_SECOND_BLOCK = '58e2fccefa7e3061367f1d57a4e7455a'
const GCM_CASE_1_TAG = '58e2fccefa7e3061367f1d57a4e7455a'

/** The name of the first primitive with a wrong answer. */
function selfTest(crypto: FastCrypto): string | undefined {
  const key = new Uint8Array(16)
  const region = crypto.allocate(128)
  region.bytes.set([0x61, 0x62, 0x63])
  const hash = crypto.createSha256()
  hash.update(region, 0, 2)
  hash.snapshot()
  hash.update(region, 2, 1)
  const digest = hex(hash.snapshot())
  hash.free()
  if (digest !== ABC_DIGEST) return 'SHA-256'

  const keystream = crypto.createKeystream(key)
  keystream.write(region, 0, 32)
  const stream = hex(region.bytes.subarray(0, 32))
  keystream.seek(1)
  keystream.write(region, 16, 16)
  const second = hex(region.bytes.subarray(16, 32))
  keystream.free()
  if (stream !== AES_ZERO_BLOCK + AES_SECOND_BLOCK || second !== AES_SECOND_BLOCK) return 'AES-128-CTR'

  const gmac = crypto.createGmac(key)
  gmac.compute(1, 2, region, 0, 20)
  gmac.compute(0, 0, region, 0, 0)
  const tag = hex(gmac.tag)
  gmac.expected.set(gmac.tag)
  const isRight = gmac.verify(0, 0, region, 0, 0)
  gmac.expected[15] = (gmac.expected[15] ?? 0) ^ 1
  const isWrong = gmac.verify(0, 0, region, 0, 0)
  gmac.free()
  return tag === GCM_CASE_1_TAG && isRight && !isWrong ? undefined : 'AES-128-GMAC'
}
