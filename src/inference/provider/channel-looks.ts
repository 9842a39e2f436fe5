/**
 * Looks at the chain on a client's behalf: its channel is not known here, or does not suffice for what it asks, and it
 * may have opened it or topped it up a moment ago. Each look begins after it was asked for, so that it sees what the
 * client saw; those who ask meanwhile share the next one. Clients with an account here go first, others take turns by
 * where they come from, and who has opened nothing waits longer each time.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { networkOf, type Remote } from '../../p2p/index.js'
import type { ChannelKeeper } from '../payment/index.js'
import { type LeavePlace, LookPlaces } from './look-places.js'

export interface ChannelLooksOptions {
  /** From the beginning of one look for a client to that of the next, at least; 250 ms unless given. */
  readonly everyMs?: number
  /** Looks for all clients that run, at most; 32 unless given. */
  readonly mostAtOnce?: number
}

/** What looks. */
export interface LookedKeeper extends Pick<ChannelKeeper, 'adopt' | 'isMoreComing'> {
  /** Whether a payer has an account here; nobody unless given. */
  readonly isKnown?: (payer: Address) => boolean
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
  /** Looks in succession that found no open channel. */
  fruitless: number
}

/** A client that was just topped up does not notice the wait, and a chain's node does not notice four reads a second. */
const EVERY_MS = 250
/** Identities cost nothing: with `EVERY_MS` all of them together make this node look 128 times a second. */
const MOST_AT_ONCE = 32
const MOST_WAITING = 1024
const MOST_WAITING_OF_ONE = 128
/** Between looks for who opened nothing; as long as an honest client, which is ahead of this node's chain, waits at once. */
const LONGEST_PAUSE_MS = 5000
const MOST_CLIENTS = 10_000
const NOWHERE = { address: '' }

export class ChannelLooks {
  readonly #keeper: LookedKeeper
  readonly #everyMs: number
  readonly #places: LookPlaces
  /** The one asked about longest ago first. */
  readonly #clients = new Map<Address, Client>()

  constructor(
    keeper: LookedKeeper,
    { everyMs = EVERY_MS, mostAtOnce = MOST_AT_ONCE }: ChannelLooksOptions = {},
  ) {
    this.#keeper = keeper
    this.#everyMs = everyMs
    this.#places = new LookPlaces({
      most: mostAtOnce,
      heldMs: everyMs,
      mostWaiting: MOST_WAITING,
      mostWaitingOfOne: MOST_WAITING_OF_ONE,
    })
  }

  /**
   * Takes up the client's channel as it is now; without an open one, nothing.
   * @param from where who asks for it comes from
   * @throws UserError as `ChannelKeeper.adopt`; BUSY with `details.retryAfterSeconds` where too many are being looked for,
   *   or several looks found nothing
   */
  look(payer: Address, from?: Pick<Remote, 'address'>): Promise<Look> {
    const client = this.#clients.get(payer) ?? {
      begunMs: Number.NEGATIVE_INFINITY,
      running: undefined,
      next: undefined,
      fruitless: 0,
    }
    if (client.next !== undefined) return client.next
    const waitMs = this.#waitMs(client)
    if (waitMs > this.#everyMs) return Promise.reject(nothingThere(client.fruitless, waitMs))
    this.#remember(payer, client)
    const network = this.#keeper.isKnown?.(payer) === true ? undefined : networkOf(from ?? NOWHERE)
    let leave: LeavePlace | undefined
    const next: Promise<Look> = this.#wait(client)
      .then(() => this.#places.take(network))
      .then((taken) => {
        leave = taken
        client.begunMs = performance.now()
        client.next = undefined
        client.running = next
        return this.#adopt(payer, client)
      })
      .finally(() => {
        leave?.()
        if (client.next === next) client.next = undefined
        if (client.running === next) client.running = undefined
      })
    client.next = next
    return next
  }

  async #wait(client: Client): Promise<void> {
    await client.running?.catch(() => undefined)
    const waitMs = this.#waitMs(client)
    if (waitMs > 0) await sleep(waitMs)
  }

  #waitMs({ begunMs, fruitless }: Client): number {
    const pauseMs = this.#everyMs * 2 ** Math.max(0, fruitless - 1)
    return begunMs + Math.max(this.#everyMs, Math.min(LONGEST_PAUSE_MS, pauseMs)) - performance.now()
  }

  async #adopt(payer: Address, client: Client): Promise<Look> {
    let isThere = true
    try {
      await this.#keeper.adopt(payer)
    } catch (error) {
      // Not there yet: the caller finds that out, and says when to come again.
      if (!(error instanceof UserError) || error.code !== 'NOT_FOUND') throw error
      isThere = false
    }
    const isMoreComing = await this.#keeper.isMoreComing(payer)
    client.fruitless = isThere || isMoreComing ? 0 : client.fruitless + 1
    return { isMoreComing }
  }

  #remember(payer: Address, client: Client): void {
    this.#clients.delete(payer)
    this.#clients.set(payer, client)
    const [oldest] = this.#clients.keys()
    if (this.#clients.size > MOST_CLIENTS && oldest !== undefined) this.#clients.delete(oldest)
  }
}

const nothingThere = (looks: number, waitMs: number): UserError =>
  new UserError(`${looks} looks at the chain in succession found no open channel of yours`, {
    code: 'BUSY',
    remedy: 'open one, and wait until it is confirmed',
    details: { retryAfterSeconds: Math.ceil(waitMs / 1000) },
  })
