/** The primitives through node:crypto: anywhere Node runs; about 5 us a packet for GMAC. */
import { type Cipher, createCipheriv, createHash, type Hash } from 'node:crypto'
import {
  type FastCrypto,
  type Gmac,
  isSame,
  type Keystream,
  type Region,
  type RunningSha256,
} from './types.js'

const BLOCK_BYTES = 16
const GCM_NONCE_BYTES = 12
/** Encrypted, they are the keystream; a multiple of a block. */
const ZEROS = new Uint8Array(65536)

class NodeSha256 implements RunningSha256 {
  readonly #hash: Hash = createHash('sha256')

  update(region: Region, offset: number, length: number): void {
    this.#hash.update(region.bytes.subarray(offset, offset + length))
  }

  snapshot(): Uint8Array {
    return new Uint8Array(this.#hash.copy().digest())
  }

  free(): void {}
}

class NodeGmac implements Gmac {
  readonly tag = new Uint8Array(BLOCK_BYTES)
  readonly expected = new Uint8Array(BLOCK_BYTES)
  readonly #key: Uint8Array
  readonly #nonce = new Uint8Array(GCM_NONCE_BYTES)
  readonly #view = new DataView(this.#nonce.buffer)

  constructor(key: Uint8Array) {
    this.#key = key.slice()
  }

  compute(head: number, sequence: number, region: Region, offset: number, length: number): void {
    this.#view.setUint32(0, head)
    this.#view.setUint32(4, sequence)
    const cipher = createCipheriv('aes-128-gcm', this.#key, this.#nonce)
    cipher.setAAD(region.bytes.subarray(offset, offset + length))
    cipher.final()
    this.tag.set(cipher.getAuthTag())
  }

  verify(head: number, sequence: number, region: Region, offset: number, length: number): boolean {
    this.compute(head, sequence, region, offset, length)
    return isSame(this.tag, this.expected)
  }

  free(): void {
    this.#key.fill(0)
  }
}

class NodeKeystream implements Keystream {
  readonly #key: Uint8Array
  #cipher: Cipher

  constructor(key: Uint8Array) {
    this.#key = key.slice()
    this.#cipher = createCipheriv('aes-128-ctr', this.#key, counterBlock(0))
  }

  seek(block: number): void {
    this.#cipher = createCipheriv('aes-128-ctr', this.#key, counterBlock(block))
  }

  write(region: Region, offset: number, length: number): void {
    for (let done = 0; done < length; done += ZEROS.length) {
      const part = Math.min(ZEROS.length, length - done)
      region.bytes.set(this.#cipher.update(ZEROS.subarray(0, part)), offset + done)
    }
  }

  free(): void {
    this.#key.fill(0)
  }
}

/** The counter block of an AES block number below 2^53, big-endian. */
export function counterBlock(block: number): Uint8Array {
  const bytes = new Uint8Array(BLOCK_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(8, Math.floor(block / 2 ** 32))
  view.setUint32(12, block % 2 ** 32)
  return bytes
}

export const nodeCrypto: FastCrypto = {
  name: 'node',
  allocate: (length) => ({ bytes: new Uint8Array(length), address: 0 }),
  createSha256: () => new NodeSha256(),
  createGmac: (key) => new NodeGmac(key),
  createKeystream: (key) => new NodeKeystream(key),
}
