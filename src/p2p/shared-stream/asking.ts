/** The asking end of shared streams: one to a peer, kept while it is used. */
import { type Stream, StreamResetError, UnsupportedProtocolError } from '@libp2p/interface'
import { orAbort } from '../deadline.js'
import { FrameError } from '../framing.js'
import type { ResolvedTarget } from '../target.js'
import { type FrameHead, requestPayload, SharedFrameReader, sharedFrame } from './frames.js'
import { MOST_UNDER_WAY } from './limits.js'
import { giveBackSeldom } from './seldom-window.js'

interface Waiting {
  readonly maxBytes: number
  readonly resolve: (answer: Uint8Array) => void
  readonly reject: (reason: unknown) => void
}

/** An unused one is closed after so long. */
const KEPT_MS = 60_000
const OPEN_DEADLINE_MS = 15_000
/** Who does not speak it is asked again after so long: it may have been updated. */
const UNSUPPORTED_MS = 60_000
const MOST_STREAMS = 1000
const NOTHING = new Uint8Array(0)

export class SharedStream {
  readonly #stream: Stream
  readonly #waiting = new Map<number, Waiting>()
  /** Nobody waits for these answers, which have not come yet. */
  readonly #abandoned = new Set<number>()
  #next = 1
  #isOver = false
  #idle: NodeJS.Timeout | undefined

  /** @param onEnd it takes no more requests */
  constructor(stream: Stream, onEnd: () => void) {
    this.#stream = stream
    giveBackSeldom(stream)
    const reader = new SharedFrameReader({
      onHead: (head) => this.#isWanted(head),
      onFrame: (head, payload) => this.#receive(head, payload),
    })
    const end = (reason: unknown): void => {
      if (this.#isOver) return
      this.#isOver = true
      clearTimeout(this.#idle)
      onEnd()
      for (const { reject } of this.#waiting.values()) reject(reason)
      this.#waiting.clear()
      stream.abort(new Error('a shared stream is over'))
    }
    stream.addEventListener('message', ({ data }) => {
      try {
        reader.push(data.subarray())
      } catch (error) {
        end(error instanceof FrameError ? new StreamResetError(error.message) : error)
      }
    })
    stream.addEventListener('end', () => end(new StreamResetError('the peer ended the shared stream')))
    stream.addEventListener('close', ({ error }) =>
      end(error ?? new StreamResetError('the shared stream was closed')),
    )
    this.#rest()
  }

  /** Whether it takes one more request. */
  get isFree(): boolean {
    const { status, writeStatus } = this.#stream
    const isOpen = !this.#isOver && status === 'open' && writeStatus === 'writable'
    return isOpen && this.#waiting.size + this.#abandoned.size < MOST_UNDER_WAY
  }

  get isOver(): boolean {
    return this.#isOver || this.#stream.status !== 'open'
  }

  /**
   * @returns the answer as it came
   * @throws FrameError; UnsupportedProtocolError where the peer does not answer this exchange; the stream's error; the
   *   signal's reason
   */
  async ask(
    name: string,
    request: Uint8Array,
    maxAnswerBytes: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    clearTimeout(this.#idle)
    const number = this.#next++
    const answer = new Promise<Uint8Array>((resolve, reject) => {
      this.#waiting.set(number, { maxBytes: maxAnswerBytes, resolve, reject })
    })
    // A stream that breaks while it is written to rejects this before anybody waits for it.
    answer.catch(() => {})
    try {
      this.#stream.send(sharedFrame('request', number, requestPayload(name, request)))
      return await orAbort(signal, answer)
    } catch (error) {
      if (this.#waiting.delete(number)) this.#cancel(number)
      throw error
    } finally {
      this.#rest()
    }
  }

  close(): void {
    clearTimeout(this.#idle)
    this.#stream.close().catch(() => this.#stream.abort(new Error('not needed')))
  }

  #cancel(number: number): void {
    if (this.isOver || this.#stream.writeStatus !== 'writable') return
    this.#abandoned.add(number)
    this.#stream.send(sharedFrame('cancel', number, NOTHING))
  }

  #rest(): void {
    if (this.#waiting.size > 0 || this.#isOver) return
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.close(), KEPT_MS).unref()
  }

  /** @throws FrameError */
  #isWanted({ kind, number, length }: FrameHead): boolean {
    if (kind !== 'answer' && kind !== 'unknown')
      throw new FrameError('garbage', `a frame of kind ${kind} from who answers`)
    if (this.#abandoned.delete(number)) return false
    const waiting = this.#waiting.get(number)
    if (waiting === undefined) throw new FrameError('garbage', 'an answer to nothing')
    if (length <= waiting.maxBytes) return true
    const error = new FrameError('oversize', `a message of ${length} bytes, at most ${waiting.maxBytes}`)
    this.#waiting.delete(number)
    waiting.reject(error)
    throw error
  }

  #receive({ kind, number }: FrameHead, payload: Uint8Array): void {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (kind === 'answer') waiting?.resolve(payload)
    else waiting?.reject(new UnsupportedProtocolError('the peer does not answer this exchange'))
  }
}

/** Opens them, and finds the one to a peer. */
export class SharedStreams {
  readonly #open: (target: ResolvedTarget, signal: AbortSignal) => Promise<Stream>
  /** By peer id; undefined inside: it does not speak this. */
  readonly #streams = new Map<string, Promise<SharedStream | undefined>>()

  constructor(open: (target: ResolvedTarget, signal: AbortSignal) => Promise<Stream>) {
    this.#open = open
  }

  /** The one to a peer; undefined where requests need streams of their own. @throws as the opening */
  async find(target: ResolvedTarget): Promise<SharedStream | undefined> {
    const key = target.peerId.toString()
    const known = this.#streams.get(key)
    if (known !== undefined) return known
    if (this.#streams.size >= MOST_STREAMS) return undefined
    const opening = this.#opened(target, () => {
      if (this.#streams.get(key) === opening) this.#streams.delete(key)
    })
    this.#streams.set(key, opening)
    return opening
  }

  async stop(): Promise<void> {
    const all = [...this.#streams.values()]
    this.#streams.clear()
    for (const each of all) (await each.catch(() => undefined))?.close()
  }

  async #opened(target: ResolvedTarget, forget: () => void): Promise<SharedStream | undefined> {
    try {
      return new SharedStream(await this.#open(target, AbortSignal.timeout(OPEN_DEADLINE_MS)), forget)
    } catch (error) {
      if (error instanceof UnsupportedProtocolError) {
        setTimeout(forget, UNSUPPORTED_MS).unref()
        return undefined
      }
      forget()
      throw error
    }
  }
}
