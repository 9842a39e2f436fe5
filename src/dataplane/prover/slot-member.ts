/** What a prover keeps of one member's packets in a slot: running hash, bitmap, order, arrival times. */
import type { FastCrypto, Region, RunningSha256 } from '../../crypto/fast/index.js'
import { OrderEncoder } from '../../pob/arrival-order.js'
import { ARRIVAL_BYTES, SEQUENCE_OFFSET } from '../../pob/datagram.js'

/** Typical bytes of an order: a few a lost packet; the encoder grows where there are more. */
const ORDER_BYTES_A_PACKET = 0.5

export class SlotMember {
  /** Distinct, authentic packets. */
  count = 0
  duplicates = 0
  badTag = 0
  reordered = 0
  readonly packetCount: number
  /** Arrival of each packet in the order of arrival, microseconds after the slot's first arrival. */
  readonly #arrivals: Float32Array
  readonly #hash: RunningSha256
  readonly #seen: Uint8Array
  readonly #order: OrderEncoder
  #highest = -1
  #finalDigest: Uint8Array | undefined

  constructor(packetCount: number, crypto: FastCrypto) {
    this.packetCount = packetCount
    this.#arrivals = new Float32Array(packetCount)
    this.#hash = crypto.createSha256()
    this.#seen = new Uint8Array(Math.ceil(packetCount / 8))
    // Touched now: a page fault in the slot may wait behind another thread's.
    this.#arrivals.fill(0)
    this.#seen.fill(0)
    this.#order = new OrderEncoder(packetCount * ORDER_BYTES_A_PACKET)
  }

  has(sequence: number): boolean {
    return ((this.#seen[sequence >>> 3] ?? 0) & (1 << (sequence & 7))) !== 0
  }

  /**
   * Takes the packet whose datagram begins at `offset`; its tag is right and `sequence` is below packetCount.
   * False for one that was there before.
   */
  accept(sequence: number, region: Region, offset: number, sinceFirstMicros: number): boolean {
    const index = sequence >>> 3
    const bit = 1 << (sequence & 7)
    const seen = this.#seen[index] ?? 0
    if ((seen & bit) !== 0) {
      this.duplicates++
      return false
    }
    this.#seen[index] = seen | bit
    this.#hash.update(region, offset + SEQUENCE_OFFSET, ARRIVAL_BYTES)
    this.#order.append(sequence)
    this.#arrivals[this.count++] = sinceFirstMicros
    if (sequence < this.#highest) this.reordered++
    else this.#highest = sequence
    return true
  }

  /** SHA-256 of the arrivals so far. */
  digest(): Uint8Array {
    return this.#finalDigest ?? this.#hash.snapshot()
  }

  arrivals(): Float32Array {
    return this.#arrivals.subarray(0, this.count)
  }

  order(): Uint8Array {
    return this.#order.encoded()
  }

  free(): void {
    this.#finalDigest ??= this.#hash.snapshot()
    this.#hash.free()
  }
}
