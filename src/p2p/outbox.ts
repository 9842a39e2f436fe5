/** What is written to a stream of answers, and how far the peer has taken it. Nothing is copied but what is short. */
import type { Stream } from '@libp2p/interface'
import { Lane } from './lane.js'
import { LEAST_BYTES_A_SECOND } from './protocols.js'

interface Waiting {
  /** Of all bytes that were written, those up to its end. */
  readonly end: number
  readonly resolve: () => void
}

const LOOK_EVERY_MS = 20_000
/** What the stream is given at once; the rest stays here until it has taken that. */
const PIECE_BYTES = 65_536

const OVER: ReadonlySet<Stream['status']> = new Set(['closed', 'reset', 'aborted'])

export interface OutboxOptions {
  /** The peer reads nothing, or next to it. */
  readonly onStuck: () => void
  /** Between two looks; 20 s unless given. */
  readonly lookEveryMs?: number
  /** Of the stream's connection; one of its own unless given. */
  readonly lane?: Lane
}

export class Outbox {
  readonly #stream: Stream
  readonly #options: Required<OutboxOptions>
  readonly #waiting: Waiting[] = []
  /** What the stream was not given yet. */
  readonly #queue: Uint8Array[] = []
  #queued = 0
  #written = 0
  #takenAtLook = 0
  #looks: NodeJS.Timeout | undefined
  #error: unknown

  constructor(stream: Stream, options: OutboxOptions) {
    this.#stream = stream
    this.#options = { lookEveryMs: LOOK_EVERY_MS, lane: new Lane(), ...options }
    const { lane } = this.#options
    const goOn = (): void => {
      this.#settle()
      if (this.#canTake) lane.enter(this)
    }
    stream.addEventListener('idle', () => {
      this.#settle()
      if (this.#queued > 0) setImmediate(goOn)
    })
    // The queue moves on after the event.
    stream.addEventListener('drain', () => setImmediate(goOn))
    stream.addEventListener('close', () => this.#end())
  }

  /** Bytes that were not taken yet. */
  get unread(): number {
    return this.#queued + this.#stream.writeBufferLength
  }

  /** Resolves when all of it has been taken, or the stream is over. @throws the stream's error */
  send(...parts: readonly Uint8Array[]): Promise<void> {
    // Behind other streams it would wait for a turn that never comes.
    if (OVER.has(this.#stream.status)) throw new Error('the stream is over')
    for (const part of parts) {
      if (part.length === 0) continue
      this.#queue.push(part)
      this.#queued += part.length
      this.#written += part.length
    }
    if (this.#canTake) this.#options.lane.enter(this)
    if (this.#error !== undefined) throw this.#error
    if (this.unread === 0) return Promise.resolve()
    this.#look()
    return new Promise((resolve) => this.#waiting.push({ end: this.#written, resolve }))
  }

  /** For the lane. */
  next(): boolean {
    if (!this.#canTake) return false
    try {
      this.#stream.send(this.#piece())
    } catch (error) {
      this.#error = error
      this.#end()
    }
    return this.#canTake
  }

  get #canTake(): boolean {
    return this.#queued > 0 && this.#stream.writeBufferLength === 0
  }

  /** The next bytes: a view of what is long, short ones together. */
  #piece(): Uint8Array {
    const pieces: Uint8Array[] = []
    let bytes = 0
    for (let first = this.#queue[0]; first !== undefined && bytes < PIECE_BYTES; first = this.#queue[0]) {
      const part = first.subarray(0, PIECE_BYTES - bytes)
      pieces.push(part)
      bytes += part.length
      if (part.length === first.length) this.#queue.shift()
      else this.#queue[0] = first.subarray(part.length)
    }
    this.#queued -= bytes
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
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

  #end(): void {
    clearInterval(this.#looks)
    this.#options.lane.leave(this)
    this.#queue.length = 0
    this.#queued = 0
    for (const { resolve } of this.#waiting.splice(0)) resolve()
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
