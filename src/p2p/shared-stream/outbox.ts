/** What is written to a shared stream, and how far the peer has taken it. */
import type { Stream } from '@libp2p/interface'
import { LEAST_BYTES_A_SECOND } from '../protocols.js'

interface Waiting {
  /** Of all bytes that were written, those up to its end. */
  readonly end: number
  readonly resolve: () => void
}

const LOOK_EVERY_MS = 20_000

export interface OutboxOptions {
  /** The peer reads nothing, or next to it. */
  readonly onStuck: () => void
  /** Between two looks; 20 s unless given. */
  readonly lookEveryMs?: number
}

export class Outbox {
  readonly #stream: Stream
  readonly #options: Required<OutboxOptions>
  readonly #waiting: Waiting[] = []
  #written = 0
  #takenAtLook = 0
  #looks: NodeJS.Timeout | undefined

  constructor(stream: Stream, options: OutboxOptions) {
    this.#stream = stream
    this.#options = { lookEveryMs: LOOK_EVERY_MS, ...options }
    stream.addEventListener('idle', () => this.#settle())
    // The queue moves on after the event.
    stream.addEventListener('drain', () => setImmediate(() => this.#settle()))
    stream.addEventListener('close', () => {
      clearInterval(this.#looks)
      for (const { resolve } of this.#waiting.splice(0)) resolve()
    })
  }

  /** Bytes that were not taken yet. */
  get unread(): number {
    return this.#stream.writeBufferLength
  }

  /** Resolves when all of it has been taken, or the stream is over. @throws the stream's error */
  send(frame: Uint8Array): Promise<void> {
    this.#written += frame.length
    this.#stream.send(frame)
    if (this.unread === 0) return Promise.resolve()
    this.#look()
    return new Promise((resolve) => this.#waiting.push({ end: this.#written, resolve }))
  }

  get #taken(): number {
    return this.#written - this.unread
  }

  #settle(): void {
    const taken = this.#taken
    while (this.#waiting[0] !== undefined && this.#waiting[0].end <= taken) this.#waiting.shift()?.resolve()
    if (this.unread > 0) return
    clearInterval(this.#looks)
    this.#looks = undefined
  }

  #look(): void {
    if (this.#looks !== undefined) return
    const { lookEveryMs, onStuck } = this.#options
    this.#takenAtLook = this.#taken
    this.#looks = setInterval(() => {
      const taken = this.#taken - this.#takenAtLook
      this.#takenAtLook = this.#taken
      if (taken < (LEAST_BYTES_A_SECOND * lookEveryMs) / 1000) onStuck()
    }, lookEveryMs)
    this.#looks.unref()
  }
}
