/**
 * Accounts in memory and on the disk: steps change the memory at once, so that concurrent jobs see each other; what
 * depends on a step waits until it is written. After a failed write nothing more is decided on what the disk lacks.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { decode, encode } from '../../crypto/cbor.js'
import { UserError } from '../../errors.js'
import type { BookStore } from '../../store/books.js'
import { readReceipt, receiptToCbor, type SignedReceipt } from './receipt.js'

/** Receipts kept of one channel opening, the newest, unless told otherwise: 6 MB. */
export const KEPT_RECEIPTS = 10_000

export interface AccountTableModules<T> {
  readonly books: BookStore
  readonly encode: (account: T) => Uint8Array
  readonly decode: (stored: Uint8Array) => T
  readonly keptReceipts?: number | undefined
}

export class AccountTable<T extends { readonly channelId: Uint8Array }> {
  readonly #modules: AccountTableModules<T>
  readonly #accounts = new Map<string, T>()
  readonly #written = new Map<string, Promise<void>>()
  #failure: unknown

  private constructor(modules: AccountTableModules<T>) {
    this.#modules = modules
  }

  static async open<T extends { readonly channelId: Uint8Array }>(
    modules: AccountTableModules<T>,
  ): Promise<AccountTable<T>> {
    const table = new AccountTable(modules)
    for (const { id, account } of await modules.books.accounts())
      table.#accounts.set(id, modules.decode(account))
    return table
  }

  all(): readonly T[] {
    return [...this.#accounts.values()]
  }

  find(channelId: Uint8Array): T | undefined {
    return this.#accounts.get(bytesToHex(channelId))
  }

  /** @throws UserError NOT_FOUND */
  get(channelId: Uint8Array): T {
    const account = this.find(channelId)
    if (account !== undefined) return account
    throw new UserError('this channel is not known here', {
      code: 'NOT_FOUND',
      remedy: 'open a channel first, and wait until it is confirmed',
    })
  }

  /** Changes the memory alone: on the disk with the next write, and lost by a crash before it. */
  set(account: T): void {
    this.#accounts.set(bytesToHex(account.channelId), account)
  }

  /**
   * Changes the memory now, and resolves when that is on the disk.
   * @param after what must have been tried before
   * @throws UserError UNAVAILABLE once a write failed
   */
  write(account: T, receipts: readonly SignedReceipt[] = [], after?: Promise<unknown>): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(failed(this.#failure))
    const id = bytesToHex(account.channelId)
    this.#accounts.set(id, account)
    const last = receipts.at(-1)
    const kept = this.#modules.keptReceipts ?? KEPT_RECEIPTS
    const written = this.#modules.books
      .write({
        id,
        account: () => this.#modules.encode(this.#accounts.get(id) ?? account),
        entries: receipts.map((receipt) => ({
          index: receipt.index,
          value: encode(receiptToCbor(receipt)),
        })),
        ...(after === undefined ? {} : { after }),
        ...(last === undefined ? {} : { forgetBelow: Math.max(0, last.index + 1 - kept) }),
      })
      .catch((error: unknown) => {
        this.#failure ??= error
        throw failed(error)
      })
    this.#written.set(id, written)
    return written
  }

  /** Resolves when everything decided so far about a channel is on the disk. */
  async settled(channelId: Uint8Array): Promise<void> {
    await this.#written.get(bytesToHex(channelId))
  }

  async receipts(channelId: Uint8Array, from: number, limit: number): Promise<readonly SignedReceipt[]> {
    const found = await this.#modules.books.entries(bytesToHex(channelId), from, limit)
    return found.map(({ value }) => readReceipt(decode(value)))
  }

  async remove(channelId: Uint8Array): Promise<void> {
    await this.settled(channelId)
    const id = bytesToHex(channelId)
    this.#accounts.delete(id)
    this.#written.delete(id)
    await this.#modules.books.remove(id)
  }
}

function failed(cause: unknown): UserError {
  return new UserError('payments stopped: the disk did not take the last one', {
    code: 'UNAVAILABLE',
    remedy: 'free space on the disk of the data directory, and start again',
    cause,
  })
}
