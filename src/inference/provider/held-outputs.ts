/** Outputs that wait for their payment or for word that they came, in memory: bounded in bytes and in time. */
import { bytesToHex } from '@noble/hashes/utils.js'

interface Held {
  readonly output: Uint8Array
  readonly sinceMs: number
}

/** Of one channel, the oldest first. */
interface Holding {
  readonly jobs: Map<string, Held>
  bytes: number
}

export class HeldOutputs {
  readonly #channels = new Map<string, Holding>()
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

  /** The oldest of the channel that holds most makes room: what is paid for and gone is credited. */
  put(channelId: Uint8Array, jobId: Uint8Array, output: Uint8Array): void {
    this.#sweep()
    const channel = bytesToHex(channelId)
    const key = bytesToHex(jobId)
    this.#drop(channel, key)
    const holding = this.#channels.get(channel) ?? { jobs: new Map<string, Held>(), bytes: 0 }
    this.#channels.set(channel, holding)
    holding.jobs.set(key, { output, sinceMs: this.#now() })
    holding.bytes += output.length
    this.#bytes += output.length
    while (this.#bytes > this.#mostBytes) this.#makeRoom()
  }

  get(channelId: Uint8Array, jobId: Uint8Array): Uint8Array | undefined {
    this.#sweep()
    return this.#channels.get(bytesToHex(channelId))?.jobs.get(bytesToHex(jobId))?.output
  }

  remove(channelId: Uint8Array, jobId: Uint8Array): void {
    this.#drop(bytesToHex(channelId), bytesToHex(jobId))
  }

  #makeRoom(): void {
    const [largest] = [...this.#channels].sort(([, a], [, b]) => b.bytes - a.bytes)
    const [oldest] = largest?.[1].jobs.keys() ?? []
    if (largest !== undefined && oldest !== undefined) this.#drop(largest[0], oldest)
  }

  #drop(channel: string, key: string): void {
    const holding = this.#channels.get(channel)
    const held = holding?.jobs.get(key)
    if (holding === undefined || held === undefined) return
    holding.jobs.delete(key)
    holding.bytes -= held.output.length
    this.#bytes -= held.output.length
    if (holding.jobs.size === 0) this.#channels.delete(channel)
  }

  #sweep(): void {
    const before = this.#now() - this.#mostMs
    for (const [channel, { jobs }] of this.#channels)
      for (const [key, { sinceMs }] of jobs) {
        if (sinceMs > before) break
        this.#drop(channel, key)
      }
  }
}
