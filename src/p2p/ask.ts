/** The asking side of an exchange: over a shared stream, or one of its own, which is closed in every case. */
import type { Libp2p, Stream } from '@libp2p/interface'
import { type CborValue, encode } from '../crypto/cbor.js'
import { UserError } from '../errors.js'
import { ANSWER_OVERHEAD_BYTES, decodeAnswer, RemoteError, shortPeer } from './answer.js'
import { DeadlineError, orAbort, withDeadline } from './deadline.js'
import { dialProblem } from './dial-problem.js'
import { FrameError, readMessage, writeMessage } from './framing.js'
import { openStream } from './open-stream.js'
import { type Exchange, protocolId } from './protocols.js'
import type { SharedStreams } from './shared-stream/asking.js'
import { MAX_SHARED_REQUEST_BYTES } from './shared-stream/limits.js'
import type { StreamAhead } from './stream-ahead.js'
import type { ResolvedTarget } from './target.js'

export interface AskOptions {
  readonly signal?: AbortSignal
  /** Overrides the exchange's own. */
  readonly deadlineMs?: number
  /** Of {@link Host.openAhead}, for the same peer and exchange; for a request that does not go over a shared stream. */
  readonly ahead?: StreamAhead
  /**
   * The request is on its way meanwhile, but its last byte waits for this: before it the peer has nothing to answer. Where
   * it rejects, the request is given up with its reason.
   */
  readonly until?: Promise<void>
}

/** What the asking side learned of the peer's conduct; the host keeps score. */
export type AskObserver = (peerId: string, misdeed: 'oversize' | 'garbage' | 'badRequest') => void

export interface AskModules {
  readonly shared: SharedStreams
  /** Aborts when the host stops. */
  readonly stopping: AbortSignal
  readonly observe: AskObserver
}

/** Whether a request of so many bytes goes over the shared stream, where the peer has one. */
export const isShared = (
  exchange: Pick<Exchange<unknown, unknown>, 'sharesStream'>,
  bytes: number,
): boolean => exchange.sharesStream === true && bytes <= MAX_SHARED_REQUEST_BYTES

/**
 * @throws RemoteError where the peer answered no; UserError UNREACHABLE, TIMEOUT, or BAD_MESSAGE where its answer was
 *   none; the reason of `options.signal` where that aborted
 */
export async function ask<Q, R>(
  node: Libp2p,
  target: ResolvedTarget,
  exchange: Exchange<Q, R>,
  body: Q,
  options: AskOptions,
  { shared, stopping, observe }: AskModules,
): Promise<R> {
  const peer = target.peerId.toString()
  // Our own messages pass the peer's check, or the bug shows here.
  const request = encode(exchange.request.read(body, exchange.name) as CborValue)
  if (request.length > exchange.maxRequestBytes)
    throw new UserError(
      `a ${exchange.name} request of ${request.length} bytes, at most ${exchange.maxRequestBytes}`,
      {
        code: 'BAD_MESSAGE',
      },
    )
  const deadlineMs = options.deadlineMs ?? exchange.deadlineMs
  // Where the peer can't be reached nobody waits for it.
  options.until?.catch(() => {})
  const read = (bytes: Uint8Array): R => {
    const answer = decodeAnswer(bytes)
    if (answer.status !== 'ok') throw new RemoteError(peer, answer.status, answer.message ?? '')
    return exchange.response.read(answer.body, `${exchange.name} answer`)
  }
  const maxAnswerBytes = exchange.maxResponseBytes + ANSWER_OVERHEAD_BYTES
  const answerOn = async (stream: Stream, signal: AbortSignal): Promise<Uint8Array> => {
    const answering = readMessage(stream, maxAnswerBytes, signal)
    // A peer that refuses at once may answer before it took the whole request: its answer counts.
    const writing = writeMessage(stream, request, signal, options.until)
    writing.catch(() => {})
    return unlessRejected(answering, options.until)
  }
  let stream: Stream | undefined
  try {
    return await withDeadline(deadlineMs, [options.signal, stopping], async (signal) => {
      if (isShared(exchange, request.length)) {
        await (options.until && orAbort(signal, options.until))
        const found = await orAbort(signal, shared.find(target))
        if (found?.isFree) return read(await found.ask(exchange.name, request, maxAnswerBytes, signal))
      }
      stream =
        (await (options.ahead && orAbort(signal, options.ahead.take()))) ??
        (await openStream(node, target, protocolId(exchange.name), signal))
      return read(await answerOn(stream, signal))
    })
  } catch (error) {
    if (error instanceof RemoteError || options.signal?.aborted) throw error
    throw translate(error, target, exchange.name, observe)
  } finally {
    // No effect on a stream that both sides have closed.
    stream?.abort(new Error('exchange over'))
  }
}

/** What resolves, or the reason for which `condition` rejects. */
function unlessRejected<T>(result: Promise<T>, condition: Promise<void> | undefined): Promise<T> {
  if (condition === undefined) return result
  return Promise.race([result, condition.then(() => result)])
}

function translate(
  error: unknown,
  { peerId, addresses }: ResolvedTarget,
  name: string,
  observe: AskObserver,
): unknown {
  const peer = peerId.toString()
  const who = shortPeer(peer)
  const details = { peerId: peer, exchange: name }
  if (error instanceof DeadlineError) {
    // Silence is no offence: the peer may be down, and a laboratory's silent member is to be asked again.
    return new UserError(`${who} did not answer ${name}: ${error.message}`, {
      code: 'TIMEOUT',
      details,
      cause: error,
    })
  }
  if (error instanceof FrameError) {
    const { reason, message } = error
    if (reason === 'cut')
      return new UserError(`${who} broke off its answer to ${name}`, {
        code: 'UNREACHABLE',
        remedy: 'ask again',
        details,
        cause: error,
      })
    observe(peer, reason)
    return new UserError(`${who} answered ${name} with ${message}`, {
      code: 'BAD_MESSAGE',
      details,
      cause: error,
    })
  }
  if (error instanceof UserError && error.code === 'BAD_MESSAGE') {
    observe(peer, 'badRequest')
    return new UserError(`${who}: ${error.message}`, { code: 'BAD_MESSAGE', details, cause: error })
  }
  if (error instanceof UserError || !(error instanceof Error)) return error
  if (error.name === 'UnsupportedProtocolError')
    return new UserError(`${who} does not speak ${protocolId(name)}`, {
      code: 'UNAVAILABLE',
      remedy: 'it plays another role, or runs another version of plumbline',
      details,
      cause: error,
    })
  if (NETWORK_ERRORS.has(error.name) || 'errors' in error || 'code' in error) {
    const { reason, remedy } = dialProblem(error, addresses.length > 0)
    return new UserError(`cannot reach ${who} for ${name} (${reason})`, {
      code: 'UNREACHABLE',
      remedy,
      details,
      cause: error,
    })
  }
  return error
}

/** What libp2p throws where the network or the peer, and not we, failed. */
const NETWORK_ERRORS: ReadonlySet<string> = new Set([
  'AbortError',
  'AggregateError',
  'ConnectionClosedError',
  'ConnectionClosingError',
  'ConnectionFailedError',
  'ConnectionInterceptedError',
  'DialDeniedError',
  'DialError',
  'EncryptionFailedError',
  'InvalidMessageError',
  'InvalidMultiaddrError',
  'InvalidPeerIdError',
  'MuxerClosedError',
  'MuxerUnavailableError',
  'NoValidAddressesError',
  'NotFoundError',
  'StreamAbortedError',
  'StreamClosedError',
  'StreamResetError',
  'StreamStateError',
  'TimeoutError',
  'TooManyOutboundProtocolStreamsError',
  'TransportUnavailableError',
  'UnexpectedEOFError',
  'UnexpectedPeerError',
])
