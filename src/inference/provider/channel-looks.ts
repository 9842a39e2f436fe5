/**
 * Looks at the chain on a client's behalf: its channel is not known here, or does not suffice for what it asks, and it
 * may have opened it or topped it up a moment ago. Each look begins after it was asked for, so that it sees what the
 * client saw; those who ask meanwhile share the next one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import type { ChannelKeeper } from '../payment/index.js'

export interface ChannelLooksOptions {
  /** From the beginning of one look for a client to that of the next, at least; 250 ms unless given. */
  readonly everyMs?: number
  /** Looks for all clients that run or wait, at most; 64 unless given. */
  readonly mostAtOnce?: number
}

export interface Look {
  /** More than was taken up is in a block that is not deep enough yet. */
  readonly isMoreComing: boolean
}

interface Client {
  begunMs: number
  running: Promise<Look> | undefined
  /** Has not begun: whoever asks now is served by it. */
  next: Promise<Look> | undefined
}

/** A client that was just topped up does not notice the wait, and a chain's node does not notice four reads a second. */
const EVERY_MS = 250
/** Identities cost nothing: what all of them together may make this node ask is bounded, too. */
const MOST_AT_ONCE = 64
const MOST_CLIENTS = 10_000

export class ChannelLooks {
  readonly #keeper: Pick<ChannelKeeper, 'adopt' | 'isMoreComing'>
  readonly #everyMs: number
  readonly #mostAtOnce: number
  /** The one asked about longest ago first. */
  readonly #clients = new Map<Address, Client>()
  #count = 0

  constructor(
    keeper: Pick<ChannelKeeper, 'adopt' | 'isMoreComing'>,
    { everyMs = EVERY_MS, mostAtOnce = MOST_AT_ONCE }: ChannelLooksOptions = {},
  ) {
    this.#keeper = keeper
    this.#everyMs = everyMs
    this.#mostAtOnce = mostAtOnce
  }

  /**
   * Takes up the client's channel as it is now; without an open one, nothing.
   * @throws UserError as `ChannelKeeper.adopt`; BUSY with `details.retryAfterSeconds` where too many are being looked for
   */
  look(payer: Address): Promise<Look> {
    const client = this.#clients.get(payer) ?? {
      begunMs: Number.NEGATIVE_INFINITY,
      running: undefined,
      next: undefined,
    }
    if (client.next !== undefined) return client.next
    if (this.#count >= this.#mostAtOnce)
      return Promise.reject(
        new UserError('the chain is being asked about too many channels', {
          code: 'BUSY',
          remedy: 'try again in 1 s',
          details: { retryAfterSeconds: 1 },
        }),
      )
    this.#remember(payer, client)
    this.#count++
    const next = this.#wait(client)
      .then(() => {
        client.begunMs = performance.now()
        client.next = undefined
        client.running = next
        return this.#adopt(payer)
      })
      .finally(() => {
        this.#count--
        client.running = undefined
      })
    client.next = next
    return next
  }

  async #wait(client: Client): Promise<void> {
    await client.running?.catch(() => undefined)
    const waitMs = client.begunMs + this.#everyMs - performance.now()
    if (waitMs > 0) await sleep(waitMs)
  }

  async #adopt(payer: Address): Promise<Look> {
    try {
      await this.#keeper.adopt(payer)
    } catch (error) {
      // Not there yet: the caller finds that out, and says when to come again.
      if (!(error instanceof UserError) || error.code !== 'NOT_FOUND') throw error
    }
    return { isMoreComing: await this.#keeper.isMoreComing(payer) }
  }

  #remember(payer: Address, client: Client): void {
    this.#clients.delete(payer)
    this.#clients.set(payer, client)
    const [oldest] = this.#clients.keys()
    if (this.#clients.size > MOST_CLIENTS && oldest !== undefined) this.#clients.delete(oldest)
  }
}
