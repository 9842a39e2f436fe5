/** A trouble that comes back with every look at the chain is told once: again where its cause changes, or after it healed. */
import { chainReason } from '../../chain/index.js'
import type { Logger } from '../../telemetry/logger.js'

export class ToldOnce {
  readonly #log: Logger
  #told: string | undefined

  constructor(log: Logger) {
    this.#log = log
  }

  /** @param what came of it: `vouchers were not redeemed` */
  failed(error: unknown, what: string): void {
    const reason = chainReason(error)
    const telling = `${what}: ${reason}`
    if (telling !== this.#told) this.#log.warn({ reason }, what)
    this.#told = telling
  }

  healed(): void {
    this.#told = undefined
  }
}
