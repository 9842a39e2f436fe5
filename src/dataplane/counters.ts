/** What a plane counts from its start; every dropped datagram is in exactly one of the three reasons. */
import type { PlaneCounters } from './types.js'

export class Counters {
  received = 0
  badTag = 0
  badFormat = 0
  unknownSession = 0
  sentBytes = 0
  receivedBytes = 0

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
