/**
 * The three primitives that meet every packet of a train, behind one interface: AES-128-CTR keystream, GMAC, and a
 * running SHA-256 that can be read on the way.
 */

/**
 * Bytes at a fixed place in memory. Native code is handed `address`; so the bytes are of an ArrayBuffer of their
 * own of at least 128 bytes (smaller ones may live on V8's heap, which moves).
 */
export interface Region {
  readonly bytes: Uint8Array
  /** 0 where there is no native backend. */
  readonly address: number
}

export interface RunningSha256 {
  /** Adds `length` bytes at `offset`. */
  update(region: Region, offset: number, length: number): void
  /** The digest of all bytes so far, 32 bytes; more may follow. */
  snapshot(): Uint8Array
  /** Gives native memory back; the object must not be used after. */
  free(): void
}

export interface Gmac {
  /** The last tag, 16 bytes. */
  readonly tag: Uint8Array
  /** For {@link verify}, 16 bytes, written by the caller. */
  readonly expected: Uint8Array
  /**
   * AES-128-GMAC of `length` bytes at `offset` into {@link tag}. The nonce is three words, big-endian: `head`,
   * `sequence`, 0. A (head, sequence) pair must never be used for two messages under one key.
   */
  compute(head: number, sequence: number, region: Region, offset: number, length: number): void
  /** Whether {@link expected} is the tag of such a message. */
  verify(head: number, sequence: number, region: Region, offset: number, length: number): boolean
  free(): void
}

export interface Keystream {
  /** Goes to the keystream's AES block number `block`. */
  seek(block: number): void
  /** Writes the next `length` bytes of keystream, a multiple of 16 unless it is the last call. */
  write(region: Region, offset: number, length: number): void
  free(): void
}

export type FastCryptoName = 'evp' | 'node' | 'noble'

export interface FastCrypto {
  readonly name: FastCryptoName
  /** Zeroed bytes that every method of this object takes. */
  allocate(length: number): Region
  createSha256(): RunningSha256
  /** @param key 16 bytes. */
  createGmac(key: Uint8Array): Gmac
  /** AES-128-CTR with an initial counter block of zero. @param key 16 bytes. */
  createKeystream(key: Uint8Array): Keystream
}

/** All bytes are looked at, whichever differ. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}
