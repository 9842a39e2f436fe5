/**
 * How many offers are read that gossip brings: checking a signature and thousands of languages costs milliseconds of the
 * event loop, and whoever forwards them signed as many as it liked. What is beyond its bound is not even read.
 */

/** A signature is as much work as so many bytes: 6,000 of them are read in a millisecond. */
const SIGNATURE_BYTES = 16_384
/** Of one peer that forwards: two hundred usual offers at once, and three or four in each second from then on. */
const FORWARDER = { burst: 4_000_000, aSecond: 60_000 }
/** Of all together: a twenty-fifth of the event loop while it lasts. */
const ALL = { burst: 16_000_000, aSecond: 240_000 }
/** Who was silent the longest makes room: its bucket is as good as full again. */
const MOST_FORWARDERS = 500

interface Bucket {
  left: number
  atMs: number
}

export class OfferIntake {
  readonly #now: () => number
  readonly #forwarders = new Map<string, Bucket>()
  readonly #all: Bucket

  /** @param now monotonic milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#all = { left: ALL.burst, atMs: now() }
  }

  /** Whether a message of so many bytes is to be read; it counts then. */
  takes(from: string, bytes: number): boolean {
    const cost = SIGNATURE_BYTES + bytes
    const mine = this.#forwarders.get(from) ?? { left: FORWARDER.burst, atMs: this.#now() }
    this.#forwarders.delete(from)
    this.#forwarders.set(from, mine)
    const [longest] = this.#forwarders.keys()
    if (this.#forwarders.size > MOST_FORWARDERS && longest !== undefined) this.#forwarders.delete(longest)
    this.#fill(mine, FORWARDER)
    this.#fill(this.#all, ALL)
    if (mine.left < cost || this.#all.left < cost) return false
    mine.left -= cost
    this.#all.left -= cost
    return true
  }

  #fill(bucket: Bucket, { burst, aSecond }: typeof ALL): void {
    const now = this.#now()
    bucket.left = Math.min(burst, bucket.left + ((now - bucket.atMs) / 1000) * aSecond)
    bucket.atMs = now
  }
}
