/**
 * Keeps a node that nobody can dial reachable through its configured relays: reserves a place at each, and again
 * whenever the place or the relay was lost. Runs as a libp2p service, which gives it the transport manager.
 */
import type { Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger } from '../telemetry/logger.js'

/** The transport manager's part that listening through a relay needs. */
export interface RelayComponents {
  readonly transportManager: {
    listen(addresses: Multiaddr[]): Promise<void>
    getAddrs(): Multiaddr[]
  }
}

/** A relay that restarted is found again within this; each try costs one dial. */
const CHECK_INTERVAL_MS = 5000
/** Tries get rarer up to this while a relay stays away. */
const MAX_BACKOFF_MS = 120_000
const DIAL_DEADLINE_MS = 8000

interface Watch {
  readonly relay: Multiaddr
  failures: number
  nextTryMs: number
}

export class RelayKeeper {
  readonly #components: RelayComponents
  readonly #watches: readonly Watch[]
  readonly #log: Logger
  #timer: NodeJS.Timeout | undefined
  #busy = false

  constructor(components: RelayComponents, relays: readonly Multiaddr[], log: Logger) {
    this.#components = components
    this.#watches = relays.map((relay) => ({ relay, failures: 0, nextTryMs: 0 }))
    this.#log = log
  }

  /** Reserves at every relay once, then watches. Never throws: a node without its relay still dials out. */
  async keep(node: Libp2p): Promise<void> {
    if (this.#watches.length === 0) return
    await this.#check(node)
    this.#timer = setInterval(() => void this.#check(node), CHECK_INTERVAL_MS)
    this.#timer.unref()
  }

  release(): void {
    clearInterval(this.#timer)
  }

  async #check(node: Libp2p): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    try {
      const now = performance.now()
      const due = this.#watches.filter((watch) => now >= watch.nextTryMs && !this.#isReserved(watch.relay))
      await Promise.all(due.map((watch) => this.#reserve(node, watch)))
    } finally {
      this.#busy = false
    }
  }

  #isReserved(relay: Multiaddr): boolean {
    const id = relayId(relay)
    return this.#components.transportManager.getAddrs().some((address) => {
      const text = address.toString()
      return text.includes('/p2p-circuit') && text.includes(id)
    })
  }

  async #reserve(node: Libp2p, watch: Watch): Promise<void> {
    const relay = watch.relay.toString()
    try {
      // Dial first: the circuit transport gives a relay up for good where its own dial fails.
      await node.dial(watch.relay, { signal: AbortSignal.timeout(DIAL_DEADLINE_MS) })
      await this.#components.transportManager.listen([watch.relay.encapsulate('/p2p-circuit')])
      if (!this.#isReserved(watch.relay)) throw new Error('the relay gave no place')
      watch.failures = 0
      watch.nextTryMs = 0
      this.#log.info({ relay }, 'reachable through a relay')
    } catch (error) {
      watch.failures++
      const waitMs = Math.min(MAX_BACKOFF_MS, CHECK_INTERVAL_MS * 2 ** Math.min(watch.failures - 1, 6))
      watch.nextTryMs = performance.now() + waitMs
      if (watch.failures === 1) this.#log.warn({ relay, err: error }, 'cannot use the relay; trying again')
    }
  }
}

/** `/p2p/<id>` of the relay itself. */
function relayId(relay: Multiaddr): string {
  return /\/p2p\/[^/]+$/.exec(relay.toString())?.[0] ?? relay.toString()
}
