/** What a plane counts from its start; every dropped datagram is in exactly one of the three reasons. */
import { datagramFault, LAYER3_OVERHEAD_BYTES } from '../pob/datagram.js'
import type { PlaneCounters } from './types.js'

export class Counters {
  received = 0
  badTag = 0
  badFormat = 0
  unknownSession = 0
  sentBytes = 0
  receivedBytes = 0

  /** Counts a datagram that came in; false where its form is none of ours, which is the cheapest check of all. */
  takes(bytes: Uint8Array, offset: number, length: number): boolean {
    this.received++
    this.receivedBytes += length + LAYER3_OVERHEAD_BYTES
    if (datagramFault(bytes, offset, length) === undefined) return true
    this.badFormat++
    return false
  }

  snapshot(overflow: number): PlaneCounters {
    return {
      received: this.received,
      badTag: this.badTag,
      badFormat: this.badFormat,
      unknownSession: this.unknownSession,
      sentBytes: this.sentBytes,
      receivedBytes: this.receivedBytes,
      overflow,
    }
  }
}
