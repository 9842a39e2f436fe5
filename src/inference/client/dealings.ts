/**
 * A buyer's dealings, one for each provider and way of paying: where the newest of its offers says that it is. Providers
 * come and go for as long as a gateway runs: of many, those that are used the longest ago are let go.
 */
import type { TypedDomain } from '../../crypto/eip712.js'
import type { Host } from '../../p2p/index.js'
import type { Payer } from '../payment/index.js'
import { type Candidate, providerName } from './candidates.js'
import { Dealing, type DealingModules } from './dealing.js'

export interface DealingsModules extends Pick<DealingModules, 'isTimely' | 'log'> {
  readonly host: DealingModules['host'] & Pick<Host, 'onPeerGone'>
  /** @throws UserError where the chain cannot be used */
  readonly openPayment: () => Promise<{ readonly payer: Payer; readonly domain: TypedDomain }>
}

/** More than one client has reason to buy from in a day; each holds what it has settled, and perhaps a stream. */
const MOST_DEALINGS = 128

const keyOf = (peerId: string, isPaid: boolean): string => `${peerId}/${isPaid}`

interface Entry {
  readonly dealing: Dealing
  /** Of the newest offer that was dealt with. */
  sequence: number
  /** Jobs that have it in hand. */
  users: number
}

export class Dealings {
  readonly #modules: DealingsModules
  /** The one used last stands last. */
  readonly #entries = new Map<string, Entry>()
  readonly #forgetHost: () => void

  constructor(modules: DealingsModules) {
    this.#modules = modules
    // It may have restarted meanwhile, and have forgotten what was under way.
    this.#forgetHost = modules.host.onPeerGone((peerId) =>
      this.#entries.get(keyOf(peerId, true))?.dealing.reopen(),
    )
  }

  get size(): number {
    return this.#entries.size
  }

  /** Kept for as long as `act` takes. @throws as `act`, and as `openPayment` */
  async with<T>(candidate: Candidate, isPaid: boolean, act: (dealing: Dealing) => Promise<T>): Promise<T> {
    const payment = isPaid ? await this.#modules.openPayment() : undefined
    const entry = this.#entry(candidate, payment)
    entry.users++
    this.#makeRoom()
    try {
      return await act(entry.dealing)
    } finally {
      entry.users--
    }
  }

  async close(): Promise<void> {
    this.#forgetHost()
    await Promise.all([...this.#entries.values()].map(({ dealing }) => dealing.close()))
  }

  #entry({ offer, target }: Candidate, payment: DealingModules['payment']): Entry {
    const key = keyOf(offer.peerId, payment !== undefined)
    const { openPayment: _, ...modules } = this.#modules
    const entry = this.#entries.get(key) ?? {
      dealing: new Dealing({
        ...{ ...modules, target, name: providerName(offer) },
        ...(payment === undefined ? {} : { payment }),
      }),
      sequence: offer.sequence,
      users: 0,
    }
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    // A job that was begun before may still hold an older offer.
    if (offer.sequence >= entry.sequence) {
      entry.sequence = offer.sequence
      entry.dealing.reach(target)
    }
    return entry
  }

  #makeRoom(): void {
    for (const [key, { dealing, users }] of this.#entries) {
      if (this.#entries.size <= MOST_DEALINGS) return
      if (users > 0 || !dealing.isIdle) continue
      this.#entries.delete(key)
      void dealing.close()
    }
  }
}
