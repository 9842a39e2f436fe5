/**
 * The primitives through OpenSSL's EVP functions, which the node binary exports, called by koffi: about 0.5 us a
 * packet for GMAC, 0.75 us for SHA-256 and 0.2 us for keystream. No addon of ours, nothing to compile.
 * Source: https://docs.openssl.org/3.0/man3/EVP_EncryptInit/, .../EVP_DigestInit/
 */
import { createRequire } from 'node:module'
import type { FastCrypto, Gmac, Keystream, Region, RunningSha256 } from './types.js'

/** EVP_CTRL_AEAD_GET_TAG of openssl/evp.h. */
const CTRL_GET_TAG = 0x10
const BLOCK_BYTES = 16
const DIGEST_BYTES = 32
/** Encrypted, zeros are the keystream; a multiple of a block. */
const ZEROS_BYTES = 65536
/** Below this a typed array may live on V8's heap and move. */
const MIN_REGION_BYTES = 128

type Native = (...args: readonly number[]) => number

interface Evp {
  readonly address: (bytes: Uint8Array) => number
  readonly cipherNew: Native
  readonly cipherFree: Native
  readonly encryptInit: Native
  readonly encryptUpdate: Native
  readonly encryptFinal: Native
  readonly decryptInit: Native
  readonly decryptUpdate: Native
  readonly decryptFinal: Native
  readonly cipherCtrl: Native
  readonly digestNew: Native
  readonly digestFree: Native
  readonly digestInit: Native
  readonly digestUpdate: Native
  readonly digestFinal: Native
  readonly digestCopy: Native
  readonly aes128Gcm: number
  readonly aes128Ctr: number
  readonly sha256: number
  readonly zeros: Region
}

/** @throws where koffi or a symbol is missing. */
function loadEvp(): Evp {
  // A CommonJS package, loaded only where it is wanted: verify and the tools must run without it.
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const library = koffi.load(null)
  const pointer = 'uintptr_t'
  const bind = (name: string, result: string, args: readonly string[]): Native =>
    library.func(name, result, [...args]) as Native
  const zeros = new Uint8Array(ZEROS_BYTES)
  const address = (bytes: Uint8Array): number => Number(koffi.address(bytes))
  return {
    address,
    zeros: { bytes: zeros, address: address(zeros) },
    cipherNew: bind('EVP_CIPHER_CTX_new', pointer, []),
    cipherFree: bind('EVP_CIPHER_CTX_free', 'void', [pointer]),
    encryptInit: bind('EVP_EncryptInit_ex', 'int', [pointer, pointer, pointer, pointer, pointer]),
    encryptUpdate: bind('EVP_EncryptUpdate', 'int', [pointer, pointer, pointer, pointer, 'int']),
    encryptFinal: bind('EVP_EncryptFinal_ex', 'int', [pointer, pointer, pointer]),
    decryptInit: bind('EVP_DecryptInit_ex2', 'int', [pointer, pointer, pointer, pointer, pointer]),
    decryptUpdate: bind('EVP_DecryptUpdate', 'int', [pointer, pointer, pointer, pointer, 'int']),
    decryptFinal: bind('EVP_DecryptFinal_ex', 'int', [pointer, pointer, pointer]),
    cipherCtrl: bind('EVP_CIPHER_CTX_ctrl', 'int', [pointer, 'int', 'int', pointer]),
    digestNew: bind('EVP_MD_CTX_new', pointer, []),
    digestFree: bind('EVP_MD_CTX_free', 'void', [pointer]),
    digestInit: bind('EVP_DigestInit_ex', 'int', [pointer, pointer, pointer]),
    digestUpdate: bind('EVP_DigestUpdate', 'int', [pointer, pointer, 'size_t']),
    digestFinal: bind('EVP_DigestFinal_ex', 'int', [pointer, pointer, pointer]),
    digestCopy: bind('EVP_MD_CTX_copy_ex', 'int', [pointer, pointer]),
    aes128Gcm: bind('EVP_aes_128_gcm', pointer, [])(),
    aes128Ctr: bind('EVP_aes_128_ctr', pointer, [])(),
    sha256: bind('EVP_sha256', pointer, [])(),
  }
}

const must = (result: number, what: string): void => {
  if (result !== 1) throw new Error(`${what} failed in OpenSSL`)
}

class EvpSha256 implements RunningSha256 {
  readonly #evp: Evp
  readonly #context: number
  readonly #copy: number
  readonly #out: Region

  constructor(evp: Evp) {
    this.#evp = evp
    this.#context = evp.digestNew()
    this.#copy = evp.digestNew()
    this.#out = allocate(evp, DIGEST_BYTES)
    must(evp.digestInit(this.#context, evp.sha256, 0), 'EVP_DigestInit_ex')
  }

  update(region: Region, offset: number, length: number): void {
    if (this.#evp.digestUpdate(this.#context, region.address + offset, length) !== 1)
      throw new Error('EVP_DigestUpdate failed in OpenSSL')
  }

  snapshot(): Uint8Array {
    must(this.#evp.digestCopy(this.#copy, this.#context), 'EVP_MD_CTX_copy_ex')
    must(this.#evp.digestFinal(this.#copy, this.#out.address, 0), 'EVP_DigestFinal_ex')
    return this.#out.bytes.slice(0, DIGEST_BYTES)
  }

  free(): void {
    this.#evp.digestFree(this.#context)
    this.#evp.digestFree(this.#copy)
  }
}

/** Where the small arguments of one context lie in its region. */
const NONCE_AT = 0
const LENGTH_AT = 32
const TAG_AT = 48
const KEY_AT = 64
/**
 * Two OSSL_PARAM of 40 bytes: key 0, data_type 8, data 16, data_size 24, return_size 32. The first says which tag to expect,
 * so that a packet is verified in three calls; the second, all zeros, ends the list.
 */
const PARAMETERS_AT = 128
const PARAMETER_NAME_AT = 208
const EXPECTED_AT = 224
const GMAC_BYTES = 240
const OCTET_STRING = 5

class EvpGmac implements Gmac {
  readonly tag: Uint8Array
  readonly expected: Uint8Array
  readonly #evp: Evp
  readonly #context: number
  readonly #verifying: number
  readonly #scratch: Region
  readonly #view: DataView

  constructor(evp: Evp, key: Uint8Array) {
    this.#evp = evp
    this.#scratch = allocate(evp, GMAC_BYTES)
    const { bytes, address: at } = this.#scratch
    this.#view = new DataView(bytes.buffer)
    this.tag = bytes.subarray(TAG_AT, TAG_AT + BLOCK_BYTES)
    this.expected = bytes.subarray(EXPECTED_AT, EXPECTED_AT + BLOCK_BYTES)
    bytes.set([0x74, 0x61, 0x67, 0], PARAMETER_NAME_AT)
    this.#view.setBigUint64(PARAMETERS_AT, BigInt(at + PARAMETER_NAME_AT), true)
    this.#view.setUint32(PARAMETERS_AT + 8, OCTET_STRING, true)
    this.#view.setBigUint64(PARAMETERS_AT + 16, BigInt(at + EXPECTED_AT), true)
    this.#view.setBigUint64(PARAMETERS_AT + 24, BigInt(BLOCK_BYTES), true)
    this.#context = evp.cipherNew()
    this.#verifying = evp.cipherNew()
    bytes.set(key, KEY_AT)
    const nonce = at + NONCE_AT
    must(evp.encryptInit(this.#context, evp.aes128Gcm, 0, at + KEY_AT, nonce), 'EVP_EncryptInit_ex')
    must(evp.decryptInit(this.#verifying, evp.aes128Gcm, at + KEY_AT, nonce, 0), 'EVP_DecryptInit_ex2')
    bytes.fill(0, KEY_AT, KEY_AT + BLOCK_BYTES)
  }

  verify(head: number, sequence: number, region: Region, offset: number, length: number): boolean {
    const evp = this.#evp
    const context = this.#verifying
    const at = this.#scratch.address
    this.#view.setUint32(NONCE_AT, head)
    this.#view.setUint32(NONCE_AT + 4, sequence)
    if (
      evp.decryptInit(context, 0, 0, at + NONCE_AT, at + PARAMETERS_AT) !== 1 ||
      evp.decryptUpdate(context, 0, at + LENGTH_AT, region.address + offset, length) !== 1
    )
      throw new Error('AES-128-GMAC failed in OpenSSL')
    return evp.decryptFinal(context, at + TAG_AT, at + LENGTH_AT) === 1
  }

  compute(head: number, sequence: number, region: Region, offset: number, length: number): void {
    const evp = this.#evp
    const context = this.#context
    const at = this.#scratch.address
    this.#view.setUint32(NONCE_AT, head)
    this.#view.setUint32(NONCE_AT + 4, sequence)
    const done =
      evp.encryptInit(context, 0, 0, 0, at + NONCE_AT) &
      evp.encryptUpdate(context, 0, at + LENGTH_AT, region.address + offset, length) &
      evp.encryptFinal(context, at + TAG_AT, at + LENGTH_AT) &
      evp.cipherCtrl(context, CTRL_GET_TAG, BLOCK_BYTES, at + TAG_AT)
    if (done !== 1) throw new Error('AES-128-GMAC failed in OpenSSL')
  }

  free(): void {
    this.#evp.cipherFree(this.#context)
    this.#evp.cipherFree(this.#verifying)
  }
}

class EvpKeystream implements Keystream {
  readonly #evp: Evp
  readonly #context: number
  readonly #scratch: Region
  readonly #view: DataView

  constructor(evp: Evp, key: Uint8Array) {
    this.#evp = evp
    this.#scratch = allocate(evp, MIN_REGION_BYTES)
    this.#view = new DataView(this.#scratch.bytes.buffer)
    this.#context = evp.cipherNew()
    const at = this.#scratch.address
    this.#scratch.bytes.set(key, KEY_AT)
    must(evp.encryptInit(this.#context, evp.aes128Ctr, 0, at + KEY_AT, at + NONCE_AT), 'EVP_EncryptInit_ex')
    this.#scratch.bytes.fill(0, KEY_AT, KEY_AT + BLOCK_BYTES)
  }

  seek(block: number): void {
    this.#view.setUint32(NONCE_AT + 8, Math.floor(block / 2 ** 32))
    this.#view.setUint32(NONCE_AT + 12, block % 2 ** 32)
    must(
      this.#evp.encryptInit(this.#context, 0, 0, 0, this.#scratch.address + NONCE_AT),
      'EVP_EncryptInit_ex',
    )
  }

  write(region: Region, offset: number, length: number): void {
    const written = this.#scratch.address + LENGTH_AT
    for (let done = 0; done < length; done += ZEROS_BYTES) {
      const part = Math.min(ZEROS_BYTES, length - done)
      const out = region.address + offset + done
      if (this.#evp.encryptUpdate(this.#context, out, written, this.#evp.zeros.address, part) !== 1)
        throw new Error('AES-128-CTR failed in OpenSSL')
    }
  }

  free(): void {
    this.#evp.cipherFree(this.#context)
  }
}

function allocate(evp: Evp, length: number): Region {
  const bytes = new Uint8Array(Math.max(length, MIN_REGION_BYTES))
  return { bytes, address: evp.address(bytes) }
}

/** @throws where koffi or OpenSSL's symbols cannot be had. */
export function loadEvpCrypto(): FastCrypto {
  const evp = loadEvp()
  return {
    name: 'evp',
    allocate: (length) => allocate(evp, length),
    createSha256: () => new EvpSha256(evp),
    createGmac: (key) => new EvpGmac(evp, key),
    createKeystream: (key) => new EvpKeystream(evp, key),
  }
}
