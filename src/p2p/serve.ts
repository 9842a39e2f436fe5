/** The answering side of an exchange: limits, one message in, one answer out, its own stream closed in every case. */
import type { Connection, Stream } from '@libp2p/interface'
import type { CborValue } from '../crypto/cbor.js'
import { decodeAs } from '../crypto/cbor-schema.js'
import { UserError } from '../errors.js'
import type { Logger } from '../telemetry/logger.js'
import { ANSWER_OVERHEAD_BYTES, encodeAnswer, failureOf } from './answer.js'
import { type AnswerRoom, mostEncodedBytes } from './answer-room.js'
import type { ByteBudget } from './byte-budget.js'
import { DeadlineError, orAbort, withDeadline } from './deadline.js'
import { FrameError, readMessage } from './framing.js'
import { publicKeyOfRemote } from './keys.js'
import { laneOf } from './lane.js'
import { Outbox } from './outbox.js'
import {
  type AnswerRoomName,
  DEFAULT_PEER_RATE,
  DEFAULT_TOTAL_RATE,
  type Exchange,
  type FailureStatus,
  isLarge,
  LEAST_BYTES_A_SECOND,
  SMALL_MESSAGE_BYTES,
} from './protocols.js'
import { RateLimiter } from './rate-limit.js'
import type { Misdeed } from './scores.js'
import type { MessageAnswerer } from './shared-stream/answering.js'
import { varint } from './varint.js'

/** Who asks; authenticated by the noise handshake. */
export interface Remote {
  /** Compressed, 33 bytes. */
  readonly publicKey: Uint8Array
  readonly peerId: string
  /** The multiaddr the connection came from or went to; through a relay it is the relay's. */
  readonly address: string
  /** Through a relay: no address of the peer's own is known. */
  readonly limited: boolean
}

export type Handler<Q, R> = (request: Q, remote: Remote, signal: AbortSignal) => Promise<R>

export interface HandleOptions {
  /** Whether a message of more than {@link SMALL_MESSAGE_BYTES} is read from this peer; the handler judges shorter ones. */
  readonly admit?: (remote: Remote) => boolean
  /** The handler's signal aborts, too, when who asked gives the stream up: for work that nobody else has use for. */
  readonly isCancelled?: boolean
}

export interface ServeModules {
  readonly log: Logger
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Aborts when the host stops. */
  readonly stopping: AbortSignal
  readonly report: (peerId: string, misdeed: Misdeed) => void
  /** Shared by all exchanges of a host. */
  readonly budgets: { readonly small: ByteBudget; readonly large: ByteBudget }
  /** The same, for answers until they have been taken. */
  readonly answerRooms: Readonly<Record<AnswerRoomName, AnswerRoom>>
}

/** Time for the last bytes of an answer to leave and for the peer to close its side; a long one has the time of its bytes, too. */
const CLOSE_DEADLINE_MS = 5000
/** An answer that moves less than {@link LEAST_BYTES_A_SECOND} between two looks is broken off, long before its time is over. */
const LOOK_EVERY_MS = 30_000
const EVERYBODY = '*'

/** What stands in the way of an answer is on its way to others, or to the same peer. */
const NO_ROOM_RETRY_MS = 1000

/** Who asked does not wait for the answer any more. */
export class GoneError extends Error {}

/** An answer that counts towards what is held, until it is given back. */
export interface Answered {
  readonly bytes: Uint8Array
  /** May be called more than once. */
  readonly release: () => void
}

export interface Served {
  /** A stream of one request. */
  readonly onStream: (stream: Stream, connection: Connection) => Promise<void>
  /** A request among others of one stream. */
  readonly onMessage: MessageAnswerer
  /** What its messages count towards while they are answered. */
  readonly budget: ByteBudget
}

/** How a handler runs: with the signal of its deadline, and perhaps until who asked is gone. */
type Run = <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>

/** Builds the handlers of one exchange; both count towards the same limits. */
export function serve<Q, R>(
  exchange: Exchange<Q, R>,
  handler: Handler<Q, R>,
  modules: ServeModules,
  { admit, isCancelled = false }: HandleOptions = {},
): Served {
  const perPeer = new RateLimiter(exchange.ratePerPeer ?? DEFAULT_PEER_RATE, modules.now)
  const total = new RateLimiter(exchange.rateTotal ?? DEFAULT_TOTAL_RATE, modules.now, 1)
  const log = modules.log.child({ exchange: exchange.name })
  const budget = isLarge(exchange) ? modules.budgets.large : modules.budgets.small
  const answers = modules.answerRooms[exchange.answersIn ?? 'common']

  /** Room for a message of that length; the function gives it back. @throws UserError DENIED or BUSY */
  const makeRoom = (remote: Remote, bytes: number): (() => void) => {
    if (bytes > SMALL_MESSAGE_BYTES && admit?.(remote) === false)
      throw new UserError(`no ${exchange.name} of ${bytes} bytes is expected from you`, { code: 'DENIED' })
    const release = budget.take(remote.peerId, bytes)
    if (release === undefined)
      throw new UserError('too many messages are being read; try again in a second', { code: 'BUSY' })
    return release
  }

  const answerTo = async (stream: Stream, remote: Remote, signal: AbortSignal): Promise<Answered> => {
    let release = (): void => {}
    try {
      return await answerWithin(stream, remote, signal, (bytes) => {
        release = makeRoom(remote, bytes)
      })
    } finally {
      release()
    }
  }

  /** The answer to who asks too much; undefined where it is within the limits. */
  const limited = (peerId: string): Answered | undefined => {
    const own = perPeer.take(peerId)
    // Whoever is over his own limit takes nothing from everybody's.
    const limit = own.allowed ? total.take(EVERYBODY) : own
    if (limit.allowed) return undefined
    // That everybody together asks too much is nobody's own fault.
    if (!own.allowed && exchange.isHasteForgiven !== true) modules.report(peerId, 'rateLimited')
    return refusal('rate_limited', `try again in ${limit.retryAfterMs} ms`)
  }

  const answerWithin = async (
    stream: Stream,
    remote: Remote,
    signal: AbortSignal,
    onLength: (bytes: number) => void,
  ): Promise<Answered> => {
    const { peerId } = remote
    const tooMuch = limited(peerId)
    if (tooMuch !== undefined) return tooMuch
    let bytes: Uint8Array
    try {
      bytes = await readMessage(stream, exchange.maxRequestBytes, signal, onLength)
    } catch (error) {
      // Later the deadline is ours to keep.
      if (error instanceof DeadlineError) modules.report(peerId, 'timeout')
      if (!(error instanceof UserError)) throw error
      const failure = failureOf(error)
      log.debug({ peerId, ...failure }, 'not read')
      return refusal(failure.status, failure.message)
    }
    return respond(bytes, remote, signal, (work) =>
      isCancelled ? untilGone(stream, signal, work) : orAbort(signal, work(signal)),
    )
  }

  /** @throws the signal's reason; GoneError */
  const respond = async (
    bytes: Uint8Array,
    remote: Remote,
    signal: AbortSignal,
    run: Run,
  ): Promise<Answered> => {
    const { peerId } = remote
    let request: Q
    try {
      request = decodeAs(exchange.request, bytes, exchange.name, { maxBytes: exchange.maxRequestBytes })
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      modules.report(peerId, 'badRequest')
      return refusal('bad_request', error.message)
    }
    try {
      const result = await run((within) => handler(request, remote, within))
      const body = exchange.response.read(result, `${exchange.name} answer`) as CborValue
      return hold(body, remote)
    } catch (error) {
      if (error === signal.reason || error instanceof GoneError) throw error
      const failure = failureOf(error)
      if (failure.status === 'internal') log.error({ err: error, peerId }, 'a handler failed')
      else log.debug({ peerId, ...failure }, 'refused')
      return refusal(failure.status, failure.message)
    }
  }

  /** The answer, for which there is room; or that there is none. */
  const hold = (body: CborValue, remote: Remote): Answered => {
    const most = Math.min(mostEncodedBytes(body), exchange.maxResponseBytes) + ANSWER_OVERHEAD_BYTES
    const release = answers.take(remote, most)
    if (release === undefined) {
      log.debug({ peerId: remote.peerId, bytes: most }, 'no room for an answer')
      return refusal('busy', `too many answers wait to be read; try again in ${NO_ROOM_RETRY_MS} ms`)
    }
    try {
      return { bytes: encodeAnswer('ok', { body }), release }
    } catch (error) {
      release()
      throw error
    }
  }

  const onMessage: MessageAnswerer = async (message, remote, gone) => {
    const tooMuch = limited(remote.peerId)
    if (tooMuch !== undefined) return tooMuch
    try {
      const parents = [modules.stopping, isCancelled ? gone : undefined]
      return await withDeadline(exchange.deadlineMs, parents, (signal) =>
        respond(message, remote, signal, (work) => orAbort(signal, work(signal))),
      )
    } catch (error) {
      if (error instanceof DeadlineError) return refusal('busy', error.message)
      throw error
    }
  }

  const onStream = async (stream: Stream, connection: Connection): Promise<void> => {
    const peerId = connection.remotePeer.toString()
    const publicKey = publicKeyOfRemote(connection.remotePeer)
    let release = (): void => {}
    try {
      const answer = await withDeadline(exchange.deadlineMs, [modules.stopping], async (signal) => {
        if (publicKey === undefined) return refusal('denied', 'only secp256k1 peers are served')
        const address = connection.remoteAddr.toString()
        return answerTo(stream, { publicKey, peerId, address, limited: !connection.direct }, signal)
      }).catch((error: unknown) => {
        if (error instanceof FrameError && error.reason !== 'cut') modules.report(peerId, error.reason)
        if (error instanceof FrameError) return refusal('bad_request', error.message)
        if (error instanceof DeadlineError) return refusal('busy', error.message)
        throw error
      })
      release = answer.release
      const { bytes } = answer
      const leaveMs = CLOSE_DEADLINE_MS + (1000 * bytes.length) / LEAST_BYTES_A_SECOND
      await withDeadline(leaveMs, [modules.stopping], async (signal) => {
        const onStuck = (): void => stream.abort(new Error('an answer is not read'))
        const outbox = new Outbox(stream, { lane: laneOf(connection), onStuck, lookEveryMs: LOOK_EVERY_MS })
        await orAbort(signal, outbox.send(Uint8Array.from(varint(bytes.length)), bytes))
        await orAbort(signal, stream.close({ signal }))
        await closed(stream, signal)
      })
    } catch (error) {
      log.debug({ err: error, peerId }, 'a stream broke off')
    } finally {
      stream.abort(new Error('exchange over'))
      release()
    }
  }
  return { onStream, onMessage, budget }
}

/** Short, and not counted. */
function refusal(status: FailureStatus, message: string): Answered {
  return { bytes: encodeAnswer(status, { message }), release: () => {} }
}

/** Work that ends with the stream, where the peer gives that up. */
async function untilGone<R>(
  stream: Stream,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  const gone = new AbortController()
  const onClose = (): void => gone.abort(new GoneError('the peer gave up'))
  stream.addEventListener('close', onClose)
  if (stream.status !== 'open' && stream.status !== 'closing') onClose()
  try {
    const either = AbortSignal.any([signal, gone.signal])
    return await orAbort(either, work(either))
  } finally {
    stream.removeEventListener('close', onClose)
  }
}

/** Until the peer has closed its side too; what it still sends is dropped. */
async function closed(stream: Stream, signal: AbortSignal): Promise<void> {
  if (stream.status !== 'open' && stream.status !== 'closing') return
  const drop = (): void => {}
  stream.addEventListener('message', drop)
  let stop = (): void => {}
  const done = new Promise<void>((resolve) => {
    stream.addEventListener('close', () => resolve())
    stop = () => stream.removeEventListener('message', drop)
  })
  await orAbort(signal, done).finally(stop)
}
