/** Outputs that wait for their payment or for word that they came, in memory: bounded in bytes and in time. */
import { bytesToHex } from '@noble/hashes/utils.js'

interface Held {
  readonly output: Uint8Array
  readonly sinceMs: number
}

export class HeldOutputs {
  readonly #held = new Map<string, Held>()
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

  /** The oldest make room: what is paid for and gone is credited. */
  put(channelId: Uint8Array, jobId: Uint8Array, output: Uint8Array): void {
    this.#sweep()
    this.#held.set(keyOf(channelId, jobId), { output, sinceMs: this.#now() })
    this.#bytes += output.length
    for (const key of this.#held.keys()) {
      if (this.#bytes <= this.#mostBytes) break
      this.#drop(key)
    }
  }

  get(channelId: Uint8Array, jobId: Uint8Array): Uint8Array | undefined {
    this.#sweep()
    return this.#held.get(keyOf(channelId, jobId))?.output
  }

  remove(channelId: Uint8Array, jobId: Uint8Array): void {
    this.#drop(keyOf(channelId, jobId))
  }

  #drop(key: string): void {
    const held = this.#held.get(key)
    if (held === undefined) return
    this.#held.delete(key)
    this.#bytes -= held.output.length
  }

  #sweep(): void {
    const before = this.#now() - this.#mostMs
    for (const [key, { sinceMs }] of this.#held) {
      if (sinceMs > before) break
      this.#drop(key)
    }
  }
}

const keyOf = (channelId: Uint8Array, jobId: Uint8Array): string =>
  `${bytesToHex(channelId)}/${bytesToHex(jobId)}`
