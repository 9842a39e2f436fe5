/** The primitives in plain JavaScript, where neither OpenSSL can be had (a build of Node without it). Slow. */
import { ctr, gcm } from '@noble/ciphers/aes.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { counterBlock } from './node.js'
import {
  type FastCrypto,
  type Gmac,
  isSame,
  type Keystream,
  type Region,
  type RunningSha256,
} from './types.js'

const BLOCK_BYTES = 16
const NOTHING = new Uint8Array(0)

class NobleSha256 implements RunningSha256 {
  readonly #hash = sha256.create()

  update(region: Region, offset: number, length: number): void {
    this.#hash.update(region.bytes.subarray(offset, offset + length))
  }

  snapshot(): Uint8Array {
    return this.#hash.clone().digest()
  }

  free(): void {}
}

class NobleGmac implements Gmac {
  readonly tag = new Uint8Array(BLOCK_BYTES)
  readonly expected = new Uint8Array(BLOCK_BYTES)
  readonly #key: Uint8Array
  readonly #nonce = new Uint8Array(12)
  readonly #view = new DataView(this.#nonce.buffer)

  constructor(key: Uint8Array) {
    this.#key = key.slice()
  }

  compute(head: number, sequence: number, region: Region, offset: number, length: number): void {
    this.#view.setUint32(0, head)
    this.#view.setUint32(4, sequence)
    const message = region.bytes.subarray(offset, offset + length)
    this.tag.set(gcm(this.#key, this.#nonce, message).encrypt(NOTHING))
  }

  verify(head: number, sequence: number, region: Region, offset: number, length: number): boolean {
    this.compute(head, sequence, region, offset, length)
    return isSame(this.tag, this.expected)
  }

  free(): void {
    this.#key.fill(0)
  }
}

class NobleKeystream implements Keystream {
  readonly #key: Uint8Array
  #block = 0

  constructor(key: Uint8Array) {
    this.#key = key.slice()
  }

  seek(block: number): void {
    this.#block = block
  }

  write(region: Region, offset: number, length: number): void {
    const zeros = new Uint8Array(length)
    region.bytes.set(ctr(this.#key, counterBlock(this.#block)).encrypt(zeros), offset)
    this.#block += Math.ceil(length / BLOCK_BYTES)
  }

  free(): void {
    this.#key.fill(0)
  }
}

export const nobleCrypto: FastCrypto = {
  name: 'noble',
  allocate: (length) => ({ bytes: new Uint8Array(length), address: 0 }),
  createSha256: () => new NobleSha256(),
  createGmac: (key) => new NobleGmac(key),
  createKeystream: (key) => new NobleKeystream(key),
}
