/** Which providers there are: from gossip and announcements, or those that were named; and how far away they are. */
import type { Host, PeerTarget } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { OFFER_MESSAGE } from '../network/messages.js'
import { type Offer, readOffer } from '../network/offer.js'
import { OfferTable } from '../network/offer-table.js'
import { OffersGossip } from '../network/offers-gossip.js'

export interface FoundOffer {
  readonly offer: Offer
  readonly target: PeerTarget
  /** Round trip, some minutes old at most; unknown where it was not measured yet, or the last ping failed. */
  readonly latencyMs: number | undefined
}

export interface OffersModules {
  readonly host: Host
  readonly log: Logger
  /** Multiaddrs or peer ids: these alone, where any are given. */
  readonly named: readonly string[]
  /** Whom this node deals with: what they offer stays where strangers crowd. */
  readonly isKnown?: (offer: Offer) => boolean
}

const FRESH_MS = 30_000
const ASK_MS = 8000
const SEARCH_MS = 3000
const MOST_ASKED = 32
const PING_MS = 3000
/** Ways change, and one ping may have been unlucky. */
const MEASURED_MS = 5 * 60_000
/** Providers pinged in one search. */
const MOST_PINGED = 32

export class Offers {
  readonly #modules: OffersModules
  readonly #table: OfferTable
  readonly #gossip: OffersGossip
  readonly #latencies = new Map<string, { readonly ms: number | undefined; readonly atMs: number }>()
  readonly #targets = new Map<string, PeerTarget>()
  #searched = Number.NEGATIVE_INFINITY
  #searching: Promise<void> | undefined

  constructor(modules: OffersModules) {
    this.#modules = modules
    const { isKnown, named } = modules
    this.#table = new OfferTable(Date.now, {
      isKnown: (offer) => named.length > 0 || isKnown?.(offer) === true,
    })
    this.#gossip = new OffersGossip({ host: modules.host, table: this.#table, log: modules.log })
  }

  start(): void {
    if (this.#modules.named.length === 0) this.#gossip.start()
  }

  stop(): void {
    if (this.#modules.named.length === 0) this.#gossip.stop()
  }

  /**
   * Those that are known; asked for again now and then, for which nobody waits who has some that hold.
   * @param isFresh asks again, however recently that was done, and waits for the answers
   * @throws UserError where nothing is known, and a provider that was named does not answer
   */
  async find(signal?: AbortSignal, isFresh = false): Promise<readonly FoundOffer[]> {
    if (isFresh || performance.now() - this.#searched > FRESH_MS) {
      // Not with the signal of one caller where others need the answer, too.
      const isKnown = this.#table.list().length > 0
      this.#searching ??= this.#search(isKnown ? undefined : signal).finally(() => {
        this.#searching = undefined
      })
      const searching = this.#searching
      if (isFresh || !isKnown) await searching
      else searching.catch((error) => this.#note(error))
    }
    return this.#table.list().map((offer) => this.#found(offer))
  }

  /**
   * Asks a provider for its offer, which may have changed without this node having heard of it.
   * @returns what it offers now; undefined where that is what was known, and where it does not answer
   */
  async renew({ offer, target }: FoundOffer, signal?: AbortSignal): Promise<FoundOffer | undefined> {
    const now = this.#table.get(offer.peerId)
    // Another job asked meanwhile.
    if (now !== undefined && now.sequence > offer.sequence) return this.#found(now)
    await this.#ask(target, signal).catch((error) => this.#note(error))
    const renewed = this.#table.get(offer.peerId)
    return renewed !== undefined && renewed.sequence > offer.sequence ? this.#found(renewed) : undefined
  }

  /** Something came of an offer. */
  know(peerId: string): void {
    this.#table.know(peerId)
  }

  #found(offer: Offer): FoundOffer {
    return {
      offer,
      target: this.#targets.get(offer.peerId) ?? { peerId: offer.peerId, addresses: offer.addresses },
      latencyMs: this.#latencies.get(offer.peerId)?.ms,
    }
  }

  async #search(signal: AbortSignal | undefined): Promise<void> {
    const { named, host } = this.#modules
    if (named.length > 0) {
      const asked = await Promise.allSettled(named.map((each) => this.#ask(each, signal)))
      const failed = asked.filter((each) => each.status === 'rejected')
      for (const { reason } of failed) this.#note(reason)
      // Who was named in case another one is away is asked when that one is.
      if (failed.length === asked.length) throw failed[0]?.reason
    } else {
      const found = new Map<string, PeerTarget>()
      for (const { peerId, addresses } of host.announcements.list('provider'))
        found.set(peerId, { peerId, addresses })
      const options = {
        deadlineMs: SEARCH_MS,
        limit: MOST_ASKED,
        ...(signal === undefined ? {} : { signal }),
      }
      for await (const peer of host.dht.findProviders('provider', options)) found.set(peer.peerId, peer)
      const unknown = [...found]
        .filter(([peerId]) => this.#table.get(peerId) === undefined)
        .slice(-MOST_ASKED)
      await Promise.all(
        unknown.map(([, target]) => this.#ask(target, signal).catch((error) => this.#note(error))),
      )
    }
    this.#searched = performance.now()
    await this.#measureAll()
  }

  /** Who was never measured, then whose figure is the oldest. */
  async #measureAll(): Promise<void> {
    const offers = this.#table.list()
    const held = new Set(offers.map(({ peerId }) => peerId))
    for (const peerId of this.#latencies.keys()) if (!held.has(peerId)) this.#latencies.delete(peerId)
    const atMs = ({ peerId }: Offer): number => this.#latencies.get(peerId)?.atMs ?? Number.NEGATIVE_INFINITY
    const due = offers
      .filter((offer) => performance.now() - atMs(offer) > MEASURED_MS)
      .sort((a, b) => (atMs(a) === atMs(b) ? 0 : atMs(a) - atMs(b)))
    await Promise.all(due.slice(0, MOST_PINGED).map((offer) => this.#measure(offer)))
  }

  async #ask(target: PeerTarget, signal: AbortSignal | undefined): Promise<void> {
    const options = { deadlineMs: ASK_MS, ...(signal === undefined ? {} : { signal }) }
    const { offer } = await this.#modules.host.request(target, OFFER_MESSAGE, null, options)
    if (offer === undefined) return
    if (typeof target === 'string') this.#targets.set(readOffer(offer).peerId, target)
    this.#table.receive(offer)
  }

  async #measure({ peerId, addresses }: Offer): Promise<void> {
    const target = this.#targets.get(peerId) ?? { peerId, addresses }
    try {
      const times = await this.#modules.host.ping(target, { count: 2, signal: AbortSignal.timeout(PING_MS) })
      this.#latencies.set(peerId, { ms: Math.min(...times), atMs: performance.now() })
    } catch (error) {
      this.#latencies.set(peerId, { ms: undefined, atMs: performance.now() })
      this.#note(error)
    }
  }

  #note(error: unknown): void {
    this.#modules.log.debug({ reason: String(error) }, 'a provider did not answer')
  }
}
