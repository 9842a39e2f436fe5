/**
 * Room in channels that is spoken for by jobs on their way to the ledger. Between the look whether a channel suffices and the
 * moment when the job stands in its ledger a job waits for the disk, the provider, the chain: without a claim several would
 * find the same room, and all but the first be refused.
 */
import { bytesToHex } from '@noble/hashes/utils.js'

/** One job's room in a channel: kept free by it until the ledger has the job. */
export interface Claim {
  readonly channelId: Uint8Array
  /** The ledger has the job, or it is not coming. */
  release(): void
  /** The ledger let go of the job, which may be begun once more: in the same turn, so that nobody comes between. */
  hold(): void
}

export class Claims {
  /** By channel. */
  readonly #heldWei = new Map<string, bigint>()

  heldWei(channelId: Uint8Array): bigint {
    return this.#heldWei.get(bytesToHex(channelId)) ?? 0n
  }

  /** Holds it at once. */
  claim(channelId: Uint8Array, priceWei: bigint): Claim {
    let isHeld = false
    const set = (isToHold: boolean): void => {
      if (isHeld === isToHold) return
      isHeld = isToHold
      this.#add(channelId, isToHold ? priceWei : -priceWei)
    }
    set(true)
    return { channelId, release: () => set(false), hold: () => set(true) }
  }

  #add(channelId: Uint8Array, wei: bigint): void {
    const heldWei = this.heldWei(channelId) + wei
    if (heldWei === 0n) this.#heldWei.delete(bytesToHex(channelId))
    else this.#heldWei.set(bytesToHex(channelId), heldWei)
  }
}
