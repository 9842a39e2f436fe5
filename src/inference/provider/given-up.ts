/**
 * Work that clients gave up after it had begun: it cost the provider, and nobody pays for it. So much of it as a client
 * may owe goes unpaid; beyond that it waits until the former is forgotten. In memory, bounded.
 */
import { formatEther } from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { smallest } from '../payment/wei.js'

interface GivenUp {
  readonly wei: bigint
  readonly atMs: number
}

/** All that a client may have given up is forgotten by then, a part of it sooner. */
const FORGOTTEN_AFTER_MS = 600_000
const MOST_CLIENTS = 1000

export class GivenUpWork {
  readonly #mostWei: bigint
  readonly #now: () => number
  readonly #clients = new Map<Address, GivenUp>()

  /** @param mostWei of one client. @param now monotonic milliseconds */
  constructor(mostWei: bigint, now: () => number = () => performance.now()) {
    this.#mostWei = mostWei
    this.#now = now
  }

  add(client: Address, wei: bigint): void {
    const sum = this.of(client) + wei
    this.#clients.delete(client)
    this.#clients.set(client, { wei: sum, atMs: this.#now() })
    const [oldest] = this.#clients.keys()
    if (this.#clients.size > MOST_CLIENTS && oldest !== undefined) this.#clients.delete(oldest)
  }

  of(client: Address): bigint {
    const known = this.#clients.get(client)
    if (known === undefined) return 0n
    const forgotten =
      (this.#mostWei * BigInt(Math.floor(this.#now() - known.atMs))) / BigInt(FORGOTTEN_AFTER_MS)
    if (forgotten < known.wei) return known.wei - forgotten
    this.#clients.delete(client)
    return 0n
  }

  /** @param otherWei what else stands against the limit, with the job that asks. @throws UserError BUSY with have and need */
  requireRoom(client: Address, otherWei: bigint): void {
    const givenUpWei = this.of(client)
    const beyondWei = givenUpWei + otherWei - this.#mostWei
    if (givenUpWei === 0n || beyondWei <= 0n) return
    // What no patience makes room for is refused by the limit itself.
    const waitWei = smallest(beyondWei, givenUpWei)
    const waitMs = Number((waitWei * BigInt(FORGOTTEN_AFTER_MS)) / this.#mostWei)
    throw new UserError(
      `work for ${formatEther(givenUpWei)} was given up after it had begun: have ${formatEther(this.#mostWei)} for it and what is owed, need ${formatEther(givenUpWei + otherWei, 'up')}`,
      {
        code: 'BUSY',
        remedy: 'ask later, and let jobs end that were asked for',
        details: { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) },
      },
    )
  }
}
