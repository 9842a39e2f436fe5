/**
 * What a node keeps on its disk and nobody else is to read there: AES-256-GCM under a key of the node's own, one for each
 * purpose. The key comes from the identity's by HKDF-SHA-256 (RFC 5869), so that there is nothing more to keep or to lose.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { UserError } from '../errors.js'
import type { Identity } from './identity.js'

/** At the beginning of what is sealed; no CBOR map begins so. */
const MARK = new TextEncoder().encode('PLS1')
const NONCE_BYTES = 12
const TAG_BYTES = 16
const ALGORITHM = 'aes-256-gcm'

/** Longer than what was sealed by so much. */
export const SEAL_BYTES = MARK.length + NONCE_BYTES + TAG_BYTES

/** Purpose of what belongs to jobs: recordings, texts and answers. */
export const EVIDENCE = 'evidence'

export class Sealing {
  readonly #key: Uint8Array

  private constructor(key: Uint8Array) {
    this.#key = key
  }

  /** @param purpose what is sealed with it; what was sealed for another one does not open */
  static of(identity: Identity, purpose: string): Sealing {
    const info = `plumbline sealing ${purpose}`
    return new Sealing(
      identity.withSecret((secret) => new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), info, 32))),
    )
  }

  /** @param place where it is kept: it opens there alone */
  seal(plain: Uint8Array, place: Uint8Array): Uint8Array {
    // Random, of 96 bits: far below 2^32 messages a key (NIST SP 800-38D, section 8.3).
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce).setAAD(place)
    return Buffer.concat([MARK, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  }

  /** @throws UserError BAD_MESSAGE for what was altered, moved, or sealed by another key */
  open(sealed: Uint8Array, place: Uint8Array): Uint8Array {
    const [from, to] = [MARK.length + NONCE_BYTES, sealed.length - TAG_BYTES]
    try {
      if (!isSealed(sealed)) throw new RangeError('too short')
      const decipher = createDecipheriv(ALGORITHM, this.#key, sealed.subarray(MARK.length, from))
      decipher.setAAD(place).setAuthTag(sealed.subarray(to))
      return Buffer.concat([decipher.update(sealed.subarray(from, to)), decipher.final()])
    } catch (error) {
      throw new UserError('what was sealed does not open', {
        code: 'BAD_MESSAGE',
        remedy: 'it was altered, or belongs to another key',
        cause: error,
      })
    }
  }
}

/** Whether it claims to be; otherwise it is plain. */
export const isSealed = (content: Uint8Array): boolean =>
  content.length >= SEAL_BYTES && MARK.every((byte, i) => content[i] === byte)
