/** The asking side of an exchange: one stream per request, closed in every case. */
import type { Libp2p, Stream } from '@libp2p/interface'
import { type CborValue, encode } from '../crypto/cbor.js'
import { UserError } from '../errors.js'
import { ANSWER_OVERHEAD_BYTES, decodeAnswer, RemoteError, shortPeer } from './answer.js'
import { DeadlineError, orAbort, withDeadline } from './deadline.js'
import { FrameError, readMessage, writeMessage } from './framing.js'
import { openStream } from './open-stream.js'
import { type Exchange, protocolId } from './protocols.js'
import type { StreamAhead } from './stream-ahead.js'
import type { ResolvedTarget } from './target.js'

export interface AskOptions {
  readonly signal?: AbortSignal
  /** Overrides the exchange's own. */
  readonly deadlineMs?: number
  /** Of {@link Host.openAhead}, for the same peer and exchange. */
  readonly ahead?: StreamAhead
  /**
   * The request is on its way meanwhile, but its last byte waits for this: before it the peer has nothing to answer. Where
   * it rejects, the request is given up with its reason.
   */
  readonly until?: Promise<void>
}

/** What the asking side learned of the peer's conduct; the host keeps score. */
export type AskObserver = (peerId: string, misdeed: 'oversize' | 'garbage' | 'badRequest') => void

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
  stopping: AbortSignal,
  observe: AskObserver,
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
  let stream: Stream | undefined
  try {
    return await withDeadline(deadlineMs, [options.signal, stopping], async (signal) => {
      stream =
        (await (options.ahead && orAbort(signal, options.ahead.take()))) ??
        (await openStream(node, target, protocolId(exchange.name), signal))
      const answering = readMessage(stream, exchange.maxResponseBytes + ANSWER_OVERHEAD_BYTES, signal)
      // A peer that refuses at once may answer before it took the whole request: its answer counts.
      const writing = writeMessage(stream, request, signal, options.until)
      writing.catch(() => {})
      const answer = decodeAnswer(await unlessRejected(answering, options.until))
      if (answer.status !== 'ok') throw new RemoteError(peer, answer.status, answer.message ?? '')
      return exchange.response.read(answer.body, `${exchange.name} answer`)
    })
  } catch (error) {
    if (error instanceof RemoteError || options.signal?.aborted) throw error
    throw translate(error, peer, exchange.name, observe)
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

function translate(error: unknown, peer: string, name: string, observe: AskObserver): unknown {
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
  if (NETWORK_ERRORS.has(error.name) || 'errors' in error || 'code' in error)
    return new UserError(`cannot reach ${who} for ${name} (${error.name}: ${firstLine(error.message)})`, {
      code: 'UNREACHABLE',
      remedy: 'check that it runs and that its address can be dialled ("plumbline doctor")',
      details,
      cause: error,
    })
  return error
}

const firstLine = (text: string): string => (text.split('\n', 1)[0] ?? '').slice(0, 200)

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
