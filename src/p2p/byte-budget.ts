/** Bytes of messages under way, of all peers together and of each one: bounds what others make us hold in memory. */

export interface ByteLimits {
  readonly total: number
  readonly perPeer: number
}

export class ByteBudget {
  readonly #limits: ByteLimits
  /** Peers with something under way only. */
  readonly #held = new Map<string, number>()
  #total = 0

  constructor(limits: ByteLimits) {
    this.#limits = limits
  }

  /** Bytes under way. */
  get total(): number {
    return this.#total
  }

  /** Takes `bytes` for a peer, or nothing where they do not fit; the returned function gives them back, once. */
  take(peerId: string, bytes: number): (() => void) | undefined {
    const own = this.#held.get(peerId) ?? 0
    if (own + bytes > this.#limits.perPeer || this.#total + bytes > this.#limits.total) return undefined
    this.#held.set(peerId, own + bytes)
    this.#total += bytes
    let taken = true
    return () => {
      if (!taken) return
      taken = false
      this.#total -= bytes
      const left = (this.#held.get(peerId) ?? 0) - bytes
      if (left > 0) this.#held.set(peerId, left)
      else this.#held.delete(peerId)
    }
  }
}
