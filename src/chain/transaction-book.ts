/** What an account sent on one chain, by nonce, on the disk before it goes out: which intent became which transaction. */
import type { Address } from '../crypto/address.js'
import type { Journal } from './journal.js'
import {
  decodeRecord,
  encodeRecord,
  recordKey,
  recordPrefix,
  type TransactionRecord,
} from './transaction-record.js'

/** Finished ones kept for their intents. */
const KEPT_FINISHED = 500

export class TransactionBook {
  readonly #journal: Journal
  readonly #scope: string
  readonly #address: Address
  /** Nonce of the last record of an intent. */
  readonly #intents = new Map<string, number>()

  private constructor(journal: Journal, scope: string, address: Address) {
    this.#journal = journal
    this.#scope = scope
    this.#address = address
  }

  /** Reads what was kept; the records come in the order of their nonces. */
  static async open(
    journal: Journal,
    scope: string,
    address: Address,
  ): Promise<{ readonly book: TransactionBook; readonly records: readonly TransactionRecord[] }> {
    const book = new TransactionBook(journal, scope, address)
    const entries = await journal.entries(recordPrefix(scope, address))
    const records = entries.flatMap(({ value }) => decodeRecord(value) ?? [])
    for (const { intent, nonce } of records) book.#intents.set(intent, nonce)
    return { book, records }
  }

  /** Of the last transaction for an intent. */
  nonceOf(intent: string): number | undefined {
    return this.#intents.get(intent)
  }

  async get(nonce: number): Promise<TransactionRecord | undefined> {
    const bytes = await this.#journal.get(this.#key(nonce))
    return bytes === undefined ? undefined : decodeRecord(bytes)
  }

  async keep(record: TransactionRecord): Promise<void> {
    await this.#journal.write([{ key: this.#key(record.nonce), value: encodeRecord(record) }])
    this.#intents.set(record.intent, record.nonce)
  }

  async forget({ intent, nonce }: TransactionRecord): Promise<void> {
    this.#intents.delete(intent)
    await this.#journal.write([{ key: this.#key(nonce) }])
  }

  /** The same intent may be sent again; the record stays. */
  releaseIntent(intent: string): void {
    this.#intents.delete(intent)
  }

  /** The oldest finished ones beyond {@link KEPT_FINISHED} are forgotten. */
  async prune(open: ReadonlyMap<number, unknown>): Promise<void> {
    const excess = this.#intents.size - KEPT_FINISHED - open.size
    if (excess <= 0) return
    const oldest = [...this.#intents]
      .filter(([, nonce]) => !open.has(nonce))
      .sort(([, a], [, b]) => a - b)
      .slice(0, excess)
    for (const [intent] of oldest) this.#intents.delete(intent)
    await this.#journal.write(oldest.map(([, nonce]) => ({ key: this.#key(nonce) })))
  }

  #key(nonce: number): string {
    return recordKey(this.#scope, this.#address, nonce)
  }
}
