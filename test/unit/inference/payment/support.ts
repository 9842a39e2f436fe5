/** Two parties and their channel for the tests of the payment ledgers. */
import { type Address, checksumAddress } from '../../../../src/crypto/address.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { type AskedJob, type ChannelTerms, paymentDomain } from '../../../../src/inference/payment/index.js'
import type { BookChange, BookEntry, BookStore } from '../../../../src/store/index.js'

export const CONTRACT: Address = checksumAddress(new Uint8Array(20).fill(0x5c))
export const DOMAIN = paymentDomain(31337, CONTRACT)
export const bytes32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(28, value)
  return bytes
}
export const CHANNEL: ChannelTerms = {
  channelId: new Uint8Array(32).fill(0xc1),
  nonce: 1,
  depositWei: 1000n,
  endsAt: 2_000_000_000,
}
export const identities = () => ({ payer: Identity.generate(), payee: Identity.generate() })

/** The n-th job, which costs at most `maxPriceWei`. */
export function askedJob(n: number, maxPriceWei = 10n): AskedJob {
  const [model, input, terms] = [bytes32(0x0d), bytes32(0x1_0000 + n), bytes32(0x7e)]
  return { jobId: bytes32(n), model, input, terms, maxPriceWei }
}
export const outputOf = (n: number): Uint8Array => bytes32(0x2_0000 + n)

/** What the payee did for it. */
export function workOf(job: AskedJob, n: number, priceWei = job.maxPriceWei) {
  const { jobId, model, input, terms } = job
  return { jobId, model, input, terms, output: outputOf(n), units: 1, priceWei }
}

/**
 * Books of which a power cut takes what was not synced: writes wait for {@link sync}, or for {@link crash}, which drops
 * them and answers nobody.
 */
export class MemoryBooks implements BookStore {
  #accounts = new Map<string, Uint8Array>()
  #entries = new Map<string, Map<number, Uint8Array>>()
  #waiting: { readonly change: BookChange; readonly done: () => void }[] = []

  constructor(readonly isImmediate = false) {}

  get waiting(): number {
    return this.#waiting.length
  }

  async accounts(): Promise<readonly { readonly id: string; readonly account: Uint8Array }[]> {
    return [...this.#accounts].map(([id, account]) => ({ id, account }))
  }

  write(change: BookChange): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ change, done: resolve })
      if (this.isImmediate) this.sync()
    })
  }

  async entries(id: string, from: number, limit: number): Promise<readonly BookEntry[]> {
    return [...(this.#entries.get(id) ?? [])]
      .filter(([index]) => index >= from)
      .sort(([a], [b]) => a - b)
      .slice(0, limit)
      .map(([index, value]) => ({ index, value }))
  }

  async remove(id: string): Promise<void> {
    this.#accounts.delete(id)
    this.#entries.delete(id)
  }

  sync(): void {
    const group = this.#waiting
    this.#waiting = []
    for (const { change } of group) {
      const { id, account, entries = [], forgetBelow = 0 } = change
      this.#accounts.set(id, account())
      const ofAccount = this.#entries.get(id) ?? new Map<number, Uint8Array>()
      for (const { index, value } of entries) ofAccount.set(index, value)
      for (const index of ofAccount.keys()) if (index < forgetBelow) ofAccount.delete(index)
      this.#entries.set(id, ofAccount)
    }
    for (const { done } of group) done()
  }

  crash(): void {
    this.#waiting = []
  }

  /** What a copy of the disk has that is taken now. */
  copy(): MemoryBooks {
    const copy = new MemoryBooks(this.isImmediate)
    copy.#accounts = new Map(this.#accounts)
    copy.#entries = new Map([...this.#entries].map(([id, entries]) => [id, new Map(entries)]))
    return copy
  }
}
