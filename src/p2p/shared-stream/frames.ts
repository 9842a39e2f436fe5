/**
 * The frames of a stream that many requests share: the kind (one byte), the request's number and the payload's length
 * (unsigned varints), the payload. Each direction counts for itself; an answer has the number of its request.
 */
import { FrameError, readLength } from '../framing.js'
import { VarintReader, varint } from '../varint.js'

/**
 * `cancel`: who asked no longer waits; the answer comes all the same, and may be empty. `unknown`, in place of an answer: no
 * such exchange is answered here. Neither has a payload.
 */
const KINDS = ['request', 'answer', 'cancel', 'unknown'] as const
export type FrameKind = (typeof KINDS)[number]

export interface FrameHead {
  readonly kind: FrameKind
  readonly number: number
  /** Of the payload, bytes. */
  readonly length: number
}

/** Set aside on a length's word alone; more follows the bytes that really come. */
const FIRST_BYTES = 16_384

export function sharedFrame(kind: FrameKind, number: number, payload: Uint8Array): Uint8Array {
  const head = sharedHead(kind, number, payload.length)
  const bytes = new Uint8Array(head.length + payload.length)
  bytes.set(head)
  bytes.set(payload, head.length)
  return bytes
}

/** A frame without its payload. */
export function sharedHead(kind: FrameKind, number: number, length: number): Uint8Array {
  return Uint8Array.of(KINDS.indexOf(kind), ...varint(number), ...varint(length))
}

export interface FrameSink {
  /** Before room is made: whether the payload is wanted; it is passed over otherwise. What it throws, `push` throws. */
  onHead(head: FrameHead): boolean
  /** A copy of its own. */
  onFrame(head: FrameHead, payload: Uint8Array): void
}

/** Cuts what comes into frames. */
export class SharedFrameReader {
  readonly #sink: FrameSink
  readonly #varint = new VarintReader()
  #kind: FrameKind | undefined
  #number: number | undefined
  #head: FrameHead | undefined
  #isWanted = false
  #payload = new Uint8Array(0)
  #filled = 0
  #ended = 0

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** Which frame has begun and not ended, counted from 0; undefined between two. */
  get within(): number | undefined {
    return this.#kind === undefined ? undefined : this.#ended
  }

  /** @throws FrameError; what the sink throws */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#head === undefined) {
        this.#pushHead(chunk[at++] ?? 0)
        // An empty payload ends with its head.
        if (this.#head === undefined || this.#length > 0) continue
      }
      const part = chunk.subarray(at, at + this.#length - this.#filled)
      at += part.length
      this.#take(part)
    }
  }

  get #length(): number {
    return this.#head?.length ?? 0
  }

  #pushHead(byte: number): void {
    if (this.#kind === undefined) {
      this.#kind = KINDS[byte]
      if (this.#kind === undefined) throw new FrameError('garbage', `a frame of kind ${byte}`)
      return
    }
    const value = readLength(this.#varint, byte)
    if (value === undefined) return
    if (this.#number === undefined) {
      this.#number = value
      return
    }
    this.#head = { kind: this.#kind, number: this.#number, length: value }
    this.#isWanted = this.#sink.onHead(this.#head)
    this.#payload = new Uint8Array(this.#isWanted ? Math.min(value, FIRST_BYTES) : 0)
  }

  #take(part: Uint8Array): void {
    const filled = this.#filled + part.length
    if (this.#isWanted) {
      if (filled > this.#payload.length) {
        const grown = new Uint8Array(Math.min(this.#length, Math.max(filled, this.#payload.length * 2)))
        grown.set(this.#payload.subarray(0, this.#filled))
        this.#payload = grown
      }
      this.#payload.set(part, this.#filled)
    }
    this.#filled = filled
    if (filled < this.#length || this.#head === undefined) return
    const [head, payload, isWanted] = [this.#head, this.#payload, this.#isWanted]
    this.#kind = undefined
    this.#number = undefined
    this.#head = undefined
    this.#payload = new Uint8Array(0)
    this.#filled = 0
    this.#ended++
    if (isWanted) this.#sink.onFrame(head, payload)
  }
}

/** The payload of a request: the exchange's name with its length before it (one byte), then the message. */
export function requestPayload(name: string, message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + name.length + message.length)
  bytes[0] = name.length
  bytes.set(Buffer.from(name, 'latin1'), 1)
  bytes.set(message, 1 + name.length)
  return bytes
}

/** @throws FrameError */
export function readRequestPayload(payload: Uint8Array): {
  readonly name: string
  readonly message: Uint8Array
} {
  const end = 1 + (payload[0] ?? Number.POSITIVE_INFINITY)
  if (end > payload.length) throw new FrameError('garbage', 'a request without a name')
  return { name: Buffer.from(payload.subarray(1, end)).toString('latin1'), message: payload.subarray(end) }
}
