/**
 * What a ledger says of openings that it has no account of: which it is about to open, so that one that is mined while
 * this process ends is known to be unused, and which are not to be paid from. Kept in the ledger itself: what is lost is
 * lost with the accounts, and an opening without either may have been used.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { type Address, addressBytes, parseAddress } from '../../crypto/address.js'
import type { DurableMap } from '../../store/index.js'
import { newPayerAccount, type PayerAccount } from '../payment/index.js'

export interface ChannelNote {
  readonly kind: 'opening' | 'left'
  readonly channelId: Uint8Array
  readonly payee: Address
  readonly nonce: number
}

const KINDS = ['opening', 'left'] as const
/** Kind, nonce, payee. */
const VALUE_BYTES = 1 + 4 + 20

export class ChannelNotes {
  readonly #entries: Pick<DurableMap, 'write'> | undefined
  readonly #notes = new Map<string, ChannelNote>()

  private constructor(entries: Pick<DurableMap, 'write'> | undefined) {
    this.#entries = entries
  }

  /** In memory alone. */
  static passing(): ChannelNotes {
    return new ChannelNotes(undefined)
  }

  static async open(entries: Pick<DurableMap, 'write' | 'entries'>): Promise<ChannelNotes> {
    const notes = new ChannelNotes(entries)
    for (const { key, value } of await entries.entries()) {
      const bytes = Buffer.from(value)
      const kind = KINDS[bytes[0] ?? KINDS.length]
      if (kind === undefined || bytes.length !== VALUE_BYTES) continue
      const payee = parseAddress(`0x${bytes.subarray(5).toString('hex')}`)
      notes.#notes.set(key, { kind, channelId: hexToBytes(key), payee, nonce: bytes.readUInt32BE(1) })
    }
    return notes
  }

  all(): readonly ChannelNote[] {
    return [...this.#notes.values()]
  }

  /** Left openings that no account speaks of, as empty ones: what lies in them the chain alone knows. */
  leftWithout(accounts: readonly PayerAccount[]): readonly PayerAccount[] {
    const known = new Set(accounts.map(({ channelId }) => bytesToHex(channelId)))
    return this.all()
      .filter(({ kind, channelId }) => kind === 'left' && !known.has(bytesToHex(channelId)))
      .map((note) => newPayerAccount(note.payee, { ...note, depositWei: 0n, endsAt: 0 }))
  }

  kindOf(channelId: Uint8Array): ChannelNote['kind'] | undefined {
    return this.#notes.get(bytesToHex(channelId))?.kind
  }

  /** On the disk when it resolves. */
  async set(note: ChannelNote): Promise<void> {
    const { kind, channelId, payee, nonce } = note
    const key = bytesToHex(channelId)
    const value = Buffer.alloc(VALUE_BYTES)
    value[0] = KINDS.indexOf(kind)
    value.writeUInt32BE(nonce, 1)
    value.set(addressBytes(payee), 5)
    await this.#entries?.write([{ key, value }])
    this.#notes.set(key, note)
  }

  async drop(channelId: Uint8Array): Promise<void> {
    const key = bytesToHex(channelId)
    if (!this.#notes.has(key)) return
    await this.#entries?.write([{ key }])
    this.#notes.delete(key)
  }
}
