/**
 * When packets leave a token-bucket link with a drop-tail buffer, as `tbf` would let them: pure arithmetic, the
 * caller brings the clock. A process that emulates the link acts late at times; departures are fixed when a
 * packet comes, so that lateness delays packets without losing rate, and nothing ever leaves before its time:
 * from any moment the link was idle, at most burst + rate x time has left.
 */

export interface LinkScheduleOptions {
  /** Mbit/s of the bytes packets are said to have; null lets everything pass at once. */
  readonly rateMbps: number | null
  /** Bucket depth, bytes. */
  readonly burstBytes: number
  /** Bytes that may wait. */
  readonly bufferBytes: number
}

/** What {@link LinkSchedule.departure} gives for a packet that finds the buffer full. */
export const DROPPED = -1

export class LinkSchedule {
  readonly #bytesPerMs: number
  readonly #burstMs: number
  readonly #bufferBytes: number
  /** When the bucket was, or will be, empty, if nothing more comes. */
  #emptyMs = Number.NEGATIVE_INFINITY
  /** Packets that found the buffer full. */
  dropped = 0

  constructor(options: LinkScheduleOptions) {
    // 1 Mbit/s = 125 bytes a millisecond.
    this.#bytesPerMs = options.rateMbps === null ? Number.POSITIVE_INFINITY : options.rateMbps * 125
    this.#burstMs = options.burstBytes / this.#bytesPerMs
    this.#bufferBytes = options.bufferBytes
  }

  /** When a packet that comes at `nowMs` leaves, ms on the same clock, or {@link DROPPED}. */
  departure(nowMs: number, bytes: number): number {
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return nowMs
    const emptyMs = Math.max(this.#emptyMs, nowMs - this.#burstMs)
    const waitingBytes = (emptyMs - nowMs) * this.#bytesPerMs
    if (waitingBytes + bytes > this.#bufferBytes) {
      this.dropped += 1
      return DROPPED
    }
    this.#emptyMs = emptyMs + bytes / this.#bytesPerMs
    return Math.max(nowMs, this.#emptyMs)
  }
}
