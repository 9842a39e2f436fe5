/** The answering end of a shared stream: every request has its own deadline, and one answer, in whatever order. */
import type { Connection, Stream } from '@libp2p/interface'
import type { Logger } from '../../telemetry/logger.js'
import { encodeAnswer } from '../answer.js'
import type { ByteBudget } from '../byte-budget.js'
import { FrameError } from '../framing.js'
import { publicKeyOfRemote } from '../keys.js'
import { type Lane, laneOf } from '../lane.js'
import { Outbox } from '../outbox.js'
import type { Misdeed } from '../scores.js'
import { type Answered, GoneError, type Remote, type Served } from '../serve.js'
import { type FrameHead, readRequestPayload, SharedFrameReader, sharedFrame, sharedHead } from './frames.js'
import { MAX_SHARED_REQUEST_BYTES, MOST_UNDER_WAY } from './limits.js'
import { giveBackSeldom } from './seldom-window.js'

/**
 * Answers one message of an exchange; never throws but where nobody needs an answer.
 * @param gone aborts where who asked does not wait any more
 */
export type MessageAnswerer = (message: Uint8Array, remote: Remote, gone: AbortSignal) => Promise<Answered>

export interface SharedModules {
  readonly log: Logger
  /** Aborts when the host stops. */
  readonly stopping: AbortSignal
  readonly report: (peerId: string, misdeed: Misdeed) => void
  /** For what is being read: which exchange it is for comes with it. */
  readonly budget: ByteBudget
  /** Of the exchanges that are answered here. */
  readonly servedBy: (name: string) => Pick<Served, 'onMessage' | 'budget'> | undefined
  /** From a frame's first byte to its last; 20 s unless given. */
  readonly frameDeadlineMs?: number
}

/** The exchange's name before the message. */
const NAME_BYTES = 64
const FRAME_DEADLINE_MS = 20_000
/** Answers that wait for a peer to read: one that asks for more than there are places for and reads nothing is let go. */
const MOST_UNREAD_BYTES = 2 ** 20
const NOTHING = new Uint8Array(0)
const BUSY = encodeAnswer('busy', { message: 'too many messages are being read; try again in a second' })

const EMPTY: Answered = { bytes: NOTHING, release: () => {} }

/** What answers a request. */
interface Made extends Answered {
  readonly kind: 'answer' | 'unknown'
}

interface UnderWay {
  readonly gone: AbortController
  release: () => void
}

/** Builds the stream handler. */
export function answerShared(modules: SharedModules): (stream: Stream, connection: Connection) => void {
  return (stream, connection) => {
    const publicKey = publicKeyOfRemote(connection.remotePeer)
    if (publicKey === undefined) {
      stream.abort(new Error('only secp256k1 peers are served'))
      return
    }
    const remote: Remote = {
      publicKey,
      peerId: connection.remotePeer.toString(),
      address: connection.remoteAddr.toString(),
      limited: !connection.direct,
    }
    new Answering(stream, remote, laneOf(connection), modules).start()
  }
}

class Answering {
  readonly #stream: Stream
  readonly #remote: Remote
  readonly #modules: SharedModules
  readonly #underWay = new Map<number, UnderWay>()
  readonly #outbox: Outbox
  #late: NodeJS.Timeout | undefined
  /** The frame that is waited for. */
  #awaited: number | undefined

  constructor(stream: Stream, remote: Remote, lane: Lane, modules: SharedModules) {
    this.#stream = stream
    this.#outbox = new Outbox(stream, {
      lane,
      onStuck: () => stream.abort(new Error('answers are not read')),
    })
    this.#remote = remote
    this.#modules = modules
  }

  start(): void {
    const { stopping } = this.#modules
    const stream = this.#stream
    giveBackSeldom(stream)
    const reader = new SharedFrameReader({
      onHead: (head) => this.#admit(head),
      onFrame: (head, payload) => this.#take(head, payload),
    })
    stream.addEventListener('message', ({ data }) => {
      try {
        reader.push(data.subarray())
      } catch (error) {
        this.#refuse(error)
        return
      }
      this.#watch(reader.within)
    })
    const stop = (): void => stream.abort(new Error('the host stops'))
    stopping.addEventListener('abort', stop, { once: true })
    if (stopping.aborted) stop()
    // Nobody is there to read an answer then.
    stream.addEventListener('end', () => stream.abort(new Error('the shared stream is over')))
    stream.addEventListener('close', () => {
      stopping.removeEventListener('abort', stop)
      clearTimeout(this.#late)
      for (const { gone, release } of this.#underWay.values()) {
        gone.abort(new GoneError('the peer gave up'))
        release()
      }
      this.#underWay.clear()
    })
  }

  /** A frame that never ends holds room. */
  #watch(within: number | undefined): void {
    if (within === this.#awaited) return
    this.#awaited = within
    clearTimeout(this.#late)
    if (within === undefined) return
    this.#late = setTimeout(() => {
      this.#modules.report(this.#remote.peerId, 'timeout')
      this.#stream.abort(new Error('a frame took too long'))
    }, this.#modules.frameDeadlineMs ?? FRAME_DEADLINE_MS).unref()
  }

  #refuse(error: unknown): void {
    const { report, log } = this.#modules
    const { peerId } = this.#remote
    if (error instanceof FrameError && error.reason !== 'cut') report(peerId, error.reason)
    log.debug({ peerId, err: error }, 'a shared stream broke off')
    this.#stream.abort(error instanceof Error ? error : new Error('a shared stream broke off'))
  }

  /** @throws FrameError */
  #admit({ kind, number, length }: FrameHead): boolean {
    if (kind === 'cancel') {
      if (length > 0) throw new FrameError('garbage', 'a cancellation with a payload')
      this.#underWay.get(number)?.gone.abort(new GoneError('the peer gave up'))
      return false
    }
    if (kind !== 'request') throw new FrameError('garbage', `a frame of kind ${kind} from who asks`)
    if (length > MAX_SHARED_REQUEST_BYTES + NAME_BYTES)
      throw new FrameError('oversize', `a message of ${length} bytes, at most ${MAX_SHARED_REQUEST_BYTES}`)
    if (this.#underWay.has(number)) throw new FrameError('garbage', 'a number that is under way')
    // One long answer may take its time: who keeps to the places has read what came before.
    if (this.#underWay.size >= MOST_UNDER_WAY && this.#outbox.unread > MOST_UNREAD_BYTES)
      throw new FrameError('cut', 'answers are not read')
    const release =
      this.#underWay.size < MOST_UNDER_WAY ? this.#room(this.#modules.budget, length) : undefined
    if (release === undefined) {
      void this.#outbox.send(sharedFrame('answer', number, BUSY))
      return false
    }
    this.#underWay.set(number, { gone: new AbortController(), release })
    return true
  }

  /** @throws FrameError */
  #take({ number }: FrameHead, payload: Uint8Array): void {
    const underWay = this.#underWay.get(number)
    if (underWay === undefined) return
    const { name, message } = readRequestPayload(payload)
    void this.#answer(number, name, message, underWay)
  }

  async #answer(number: number, name: string, message: Uint8Array, underWay: UnderWay): Promise<void> {
    let answer: Made | undefined
    try {
      answer = await this.#made(name, message, underWay)
      const { kind, bytes } = answer
      await this.#outbox.send(sharedHead(kind, number, bytes.length), bytes)
    } catch (error) {
      this.#refuse(error)
    } finally {
      answer?.release()
      underWay.release()
      this.#underWay.delete(number)
    }
  }

  async #made(name: string, message: Uint8Array, underWay: UnderWay): Promise<Made> {
    const served = this.#modules.servedBy(name)
    if (served === undefined) return { kind: 'unknown', ...EMPTY }
    // What takes long, as a job does, counts as its exchange does: not against what is read meanwhile.
    const release = this.#room(served.budget, message.length)
    if (release === undefined) return { kind: 'answer', ...EMPTY, bytes: BUSY }
    underWay.release()
    underWay.release = release
    const { signal } = underWay.gone
    const answer = await served.onMessage(message, this.#remote, signal).catch((error: unknown) => {
      if (!signal.aborted)
        this.#modules.log.debug({ err: error, peerId: this.#remote.peerId }, 'no answer was made')
      return EMPTY
    })
    return { kind: 'answer', ...answer }
  }

  #room(budget: ByteBudget, bytes: number): (() => void) | undefined {
    return budget.take(this.#remote.peerId, bytes)
  }
}
