/**
 * Bytes of answers that are held until their peers have taken them: asking costs a few bytes, and who reads slowly, or nothing,
 * makes the answering side hold what it made. Of all of it each peer may hold a share, and so may each network: keys cost
 * nothing. Short answers are not counted: few of them fit among the requests that a peer may have under way.
 */
import type { CborValue } from '../crypto/cbor.js'
import { ByteBudget } from './byte-budget.js'
import { networkOf } from './network-of.js'
import type { Remote } from './serve.js'

export interface AnswerLimits {
  readonly total: number
  readonly perNetwork: number
  readonly perPeer: number
}

/** As long as the messages of a challenge are, its captures aside. */
export const UNCOUNTED_ANSWER_BYTES = 16_384

export class AnswerRoom {
  readonly #ofPeers: ByteBudget
  readonly #ofNetworks: ByteBudget

  constructor({ total, perNetwork, perPeer }: AnswerLimits) {
    this.#ofPeers = new ByteBudget({ total, perPeer })
    this.#ofNetworks = new ByteBudget({ total, perPeer: perNetwork })
  }

  /** Bytes of answers that are held. */
  get total(): number {
    return this.#ofPeers.total
  }

  /** Room for an answer, or nothing where it does not fit; the returned function gives it back, once. */
  take(remote: Pick<Remote, 'peerId' | 'address'>, bytes: number): (() => void) | undefined {
    if (bytes <= UNCOUNTED_ANSWER_BYTES) return () => {}
    const ofPeer = this.#ofPeers.take(remote.peerId, bytes)
    if (ofPeer === undefined) return undefined
    const ofNetwork = this.#ofNetworks.take(networkOf(remote), bytes)
    if (ofNetwork === undefined) {
      ofPeer()
      return undefined
    }
    return () => {
      ofPeer()
      ofNetwork()
    }
  }
}

/** A type and a length. */
const HEAD_BYTES = 9

/** At least as many bytes as it has once it is encoded, and not many more where it is long for its texts and bytes. */
export function mostEncodedBytes(value: CborValue): number {
  if (value instanceof Uint8Array) return HEAD_BYTES + value.length
  if (typeof value === 'string') return HEAD_BYTES + Buffer.byteLength(value)
  if (typeof value !== 'object' || value === null) return HEAD_BYTES
  let bytes = HEAD_BYTES
  if (Array.isArray(value)) for (const each of value) bytes += mostEncodedBytes(each)
  else
    for (const [key, each] of Object.entries(value))
      if (each !== undefined) bytes += HEAD_BYTES + Buffer.byteLength(key) + mostEncodedBytes(each)
  return bytes
}
