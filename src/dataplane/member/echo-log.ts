/** What came back of a train, and when. */

import { PAYLOAD_BYTES } from '../../pob/datagram.js'
import { type EchoMarks, echoMarks } from '../../pob/echo.js'

export class EchoLog {
  /** Arrivals since the first send, in the order of arrival. */
  readonly #arrivals: Float64Array
  readonly #seen: Uint8Array
  #count = 0
  #latest = 0

  constructor(packetCount: number) {
    this.#arrivals = new Float64Array(packetCount)
    this.#seen = new Uint8Array(Math.ceil(packetCount / 8))
    // Touched now: a page fault in the slot may wait behind another thread's.
    this.#arrivals.fill(0)
  }

  /** False for one that was there before. */
  note(sequence: number, sinceFirstSendMicros: number): boolean {
    const index = sequence >>> 3
    const bit = 1 << (sequence & 7)
    const seen = this.#seen[index] ?? 0
    if ((seen & bit) !== 0) return false
    this.#seen[index] = seen | bit
    // Stamps of one socket may come out of order by microseconds.
    this.#latest = Math.max(this.#latest, sinceFirstSendMicros)
    this.#arrivals[this.#count++] = this.#latest
    return true
  }

  marks(tauMicros: number): EchoMarks {
    return echoMarks(this.#arrivals.subarray(0, this.#count), tauMicros)
  }
}

/** Whether a packet's keystream is the same at both places. */
export function samePayload(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): boolean {
  const left = Buffer.from(a.buffer, a.byteOffset, a.byteLength)
  return left.compare(b, bOffset, bOffset + PAYLOAD_BYTES, aOffset, aOffset + PAYLOAD_BYTES) === 0
}
