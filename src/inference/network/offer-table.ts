/**
 * Offers heard, the newest of each provider, within a bound on the memory that they take: keys cost nothing, and an offer
 * of 32 KiB takes ten times as much once it is read. Where there is no room, strangers go before providers that this node
 * deals with, and of strangers first those that came by whoever brought the most.
 */
import { UserError } from '../../errors.js'
import { type Offer, readOffer } from './offer.js'

export type Verdict = 'accept' | 'ignore' | 'reject'

const MAX_LIFETIME_MS = 2 * 3600_000
const CLOCK_SLACK_MS = 120_000
const MAX_OFFERS = 2000
/** Two thousand usual ones are a fifth of it, six hundred with a thousand languages each fill it. */
const MOST_BYTES = 32 * 1024 * 1024

/** What things take in the heap, measured and rounded up. */
const OFFER_BYTES = 2048
const MODEL_BYTES = 768
const TEXT_BYTES = 40

export interface OfferTableOptions {
  readonly mostBytes?: number
  /** Whom this node deals with: strangers make room first. Asked once for each offer that comes. */
  readonly isKnown?: (offer: Offer) => boolean
}

interface Heard {
  readonly offer: Offer
  readonly bytes: number
  readonly isKnown: boolean
  /** Who brought it; undefined where its provider was asked. */
  readonly from: string | undefined
}

export class OfferTable {
  readonly #now: () => number
  readonly #mostBytes: number
  readonly #isKnown: (offer: Offer) => boolean
  /** Whoever was heard of longest ago first. */
  readonly #heard = new Map<string, Heard>()
  #bytes = 0

  /** @param now Unix milliseconds */
  constructor(now: () => number, { mostBytes = MOST_BYTES, isKnown = () => false }: OfferTableOptions = {}) {
    this.#now = now
    this.#mostBytes = mostBytes
    this.#isKnown = isKnown
  }

  /** What all of it takes in memory, about. */
  get bytes(): number {
    return this.#bytes
  }

  /** @param from the peer that brought it; absent where its provider was asked */
  receive(message: Uint8Array, from?: string): Verdict {
    let offer: Offer
    try {
      offer = readOffer(message)
    } catch (error) {
      if (error instanceof UserError) return 'reject'
      throw error
    }
    const now = this.#now()
    if (offer.expiresAtMs > now + MAX_LIFETIME_MS + CLOCK_SLACK_MS) return 'reject'
    if (offer.expiresAtMs <= now || offer.sequence > now + CLOCK_SLACK_MS) return 'ignore'
    const known = this.#heard.get(offer.peerId)
    if (known !== undefined && known.offer.sequence >= offer.sequence) return 'ignore'
    const heard = {
      ...{ offer, bytes: bytesOf(offer), from },
      isKnown: known?.isKnown === true || this.#isKnown(offer),
    }
    this.remove(offer.peerId)
    this.#heard.set(offer.peerId, heard)
    this.#bytes += heard.bytes
    this.#makeRoom(now)
    return 'accept'
  }

  /** This node deals with it now. */
  know(peerId: string): void {
    const heard = this.#heard.get(peerId)
    if (heard !== undefined) this.#heard.set(peerId, { ...heard, isKnown: true })
  }

  get(peerId: string): Offer | undefined {
    const heard = this.#heard.get(peerId)
    return heard !== undefined && heard.offer.expiresAtMs > this.#now() ? heard.offer : undefined
  }

  /** That hold now. */
  list(): readonly Offer[] {
    const now = this.#now()
    return [...this.#heard.values()].map(({ offer }) => offer).filter(({ expiresAtMs }) => expiresAtMs > now)
  }

  remove(peerId: string): void {
    this.#bytes -= this.#heard.get(peerId)?.bytes ?? 0
    this.#heard.delete(peerId)
  }

  get #isFull(): boolean {
    return this.#heard.size > MAX_OFFERS || this.#bytes > this.#mostBytes
  }

  #makeRoom(now: number): void {
    if (!this.#isFull) return
    for (const [peerId, { offer }] of this.#heard) if (offer.expiresAtMs <= now) this.remove(peerId)
    while (this.#isFull) {
      const [peerId] = this.#first()
      if (peerId === undefined) return
      this.remove(peerId)
    }
  }

  /** The oldest of who brought the most; one that this node deals with where there are no others. */
  #first(): readonly [peerId?: string] {
    const broughtBytes = new Map<string | undefined, number>()
    for (const { isKnown, from, bytes } of this.#heard.values())
      if (!isKnown) broughtBytes.set(from, (broughtBytes.get(from) ?? 0) + bytes)
    const [most] = [...broughtBytes].sort(([, a], [, b]) => b - a)
    for (const [peerId, { isKnown, from }] of this.#heard)
      if (most === undefined || (!isKnown && from === most[0])) return [peerId]
    return []
  }
}

function bytesOf({ addresses, models }: Offer): number {
  const texts = models.flatMap(({ id, licence = '', languages }) => [id, licence, ...languages])
  return [...addresses, ...texts].reduce(
    (sum, text) => sum + TEXT_BYTES + text.length,
    OFFER_BYTES + models.length * MODEL_BYTES,
  )
}
