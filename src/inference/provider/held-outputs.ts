/** Outputs that wait for their payment or for word that they came, in memory: bounded in bytes and in time. */
import { bytesToHex } from '@noble/hashes/utils.js'

interface Held {
  readonly output: Uint8Array
  /** Since it is here, or paid. */
  readonly sinceMs: number
}

export class HeldOutputs {
  /** The oldest first. */
  readonly #unpaid = new Map<string, Held>()
  readonly #paid = new Map<string, Held>()
  readonly #mostBytes: number
  readonly #mostMs: number
  readonly #now: () => number
  #bytes = 0

  /** @param now monotonic milliseconds */
  constructor(limits: { readonly mostBytes: number; readonly mostMs: number }, now: () => number) {
    this.#mostBytes = limits.mostBytes
    this.#mostMs = limits.mostMs
    this.#now = now
  }

  /** What was not paid makes room, the longest ago first: who pays does so at once. Only then what was. */
  put(channelId: Uint8Array, jobId: Uint8Array, output: Uint8Array): void {
    this.#sweep()
    const key = keyOf(channelId, jobId)
    this.#drop(key)
    if (output.length > this.#mostBytes) return
    for (const oldest of [this.#unpaid, this.#paid])
      for (const each of oldest.keys()) {
        if (this.#bytes + output.length <= this.#mostBytes) break
        this.#drop(each)
      }
    this.#unpaid.set(key, { output, sinceMs: this.#now() })
    this.#bytes += output.length
  }

  get(channelId: Uint8Array, jobId: Uint8Array): Uint8Array | undefined {
    this.#sweep()
    const key = keyOf(channelId, jobId)
    return (this.#unpaid.get(key) ?? this.#paid.get(key))?.output
  }

  /** It is not to make room for what was not. */
  markPaid(channelId: Uint8Array, jobId: Uint8Array): void {
    const key = keyOf(channelId, jobId)
    const held = this.#unpaid.get(key)
    if (held === undefined) return
    this.#unpaid.delete(key)
    this.#paid.set(key, { ...held, sinceMs: this.#now() })
  }

  remove(channelId: Uint8Array, jobId: Uint8Array): void {
    this.#drop(keyOf(channelId, jobId))
  }

  #drop(key: string): void {
    for (const all of [this.#unpaid, this.#paid]) {
      this.#bytes -= all.get(key)?.output.length ?? 0
      all.delete(key)
    }
  }

  #sweep(): void {
    const before = this.#now() - this.#mostMs
    for (const all of [this.#unpaid, this.#paid])
      for (const [key, { sinceMs }] of all) {
        if (sinceMs > before) break
        this.#drop(key)
      }
  }
}

const keyOf = (channelId: Uint8Array, jobId: Uint8Array): string =>
  `${bytesToHex(channelId)}/${bytesToHex(jobId)}`
