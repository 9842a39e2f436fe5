/**
 * Openings that a payee forgot while they stay open on the chain. A payer can still give such a one a later end; were it
 * taken up like a new one, its receipts would begin anew, and two receipts in one place convict their signer. Openings
 * of a pair are counted, so one number for each payer says which are done with.
 */
import type { Address } from '../../crypto/address.js'
import type { DurableMap } from '../../store/index.js'

/** Four bytes hold any nonce of the contract. */
const NONCE_BYTES = 4

export class RetiredOpenings {
  readonly #entries: Pick<DurableMap, 'get' | 'write' | 'count' | 'maxCount'>

  constructor(entries: Pick<DurableMap, 'get' | 'write' | 'count' | 'maxCount'>) {
    this.#entries = entries
  }

  /** Whether this opening, or a later one of the same payer, was forgotten. */
  async has(payer: Address, nonce: number): Promise<boolean> {
    const value = await this.#entries.get(payer)
    return value !== undefined && Buffer.from(value).readUInt32BE(0) >= nonce
  }

  /** On the disk when it resolves. @returns false where there is no room: then the opening must not be forgotten */
  async add(payer: Address, nonce: number): Promise<boolean> {
    const { count, maxCount } = this.#entries
    const isNew = (await this.#entries.get(payer)) === undefined
    if (isNew && count >= maxCount) return false
    if (await this.has(payer, nonce)) return true
    const value = Buffer.alloc(NONCE_BYTES)
    value.writeUInt32BE(nonce)
    await this.#entries.write([{ key: payer, value }])
    return true
  }

  /** A later opening was taken up: the chain never goes back to the former ones. */
  async drop(payer: Address): Promise<void> {
    if ((await this.#entries.get(payer)) !== undefined) await this.#entries.write([{ key: payer }])
  }
}
