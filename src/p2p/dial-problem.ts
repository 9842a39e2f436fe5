/** What libp2p throws where a peer could not be dialled or a connection broke, in plain words with what to do. */
import { shown } from '../errors.js'

export interface DialProblem {
  readonly reason: string
  readonly remedy: string
}

const MOST_REASON = 200
/** Of several addresses, each of which failed in its own way. */
const MOST_REASONS = 3
const ADDRESS_FORM = '/ip4/203.0.113.7/tcp/4021/p2p/16Uiu2...'

const CHECK = 'check that it runs and that its address can be dialled ("plumbline doctor")'
const BROKEN: DialProblem = { reason: 'the connection broke off', remedy: 'ask again' }
const LATE: DialProblem = { reason: 'no answer in time', remedy: CHECK }
const NO_ROUTE: DialProblem = {
  reason: 'there is no way to its address from here',
  remedy: 'check the address, and the network of this machine',
}
const SELF: DialProblem = {
  reason: "it is this node's own peer id",
  remedy: 'name another node, or use another key here with --data-dir',
}
const UNKNOWN: DialProblem = {
  reason: 'no address of it is known here',
  remedy: `give its whole address, like ${ADDRESS_FORM}, or a peer that knows it with --bootstrap`,
}
const UNSUITABLE: DialProblem = {
  reason: 'its address cannot be dialled from here',
  remedy: `give one of TCP, like ${ADDRESS_FORM}`,
}
const DENIED: DialProblem = {
  reason: 'it is banned here for a while, for what it did',
  remedy: 'wait until that is over',
}

/** By the code of the operating system, or the name of libp2p's class. */
const PROBLEMS: Readonly<Record<string, DialProblem>> = {
  ECONNREFUSED: { reason: 'connection refused', remedy: CHECK },
  ECONNRESET: BROKEN,
  EPIPE: BROKEN,
  ETIMEDOUT: LATE,
  EHOSTUNREACH: NO_ROUTE,
  ENETUNREACH: NO_ROUTE,
  EADDRNOTAVAIL: NO_ROUTE,
  ENOTFOUND: { reason: 'its name is unknown', remedy: 'check the address' },
  AbortError: LATE,
  TimeoutError: LATE,
  ConnectionClosedError: BROKEN,
  ConnectionClosingError: BROKEN,
  MuxerClosedError: BROKEN,
  MuxerUnavailableError: BROKEN,
  StreamAbortedError: BROKEN,
  StreamClosedError: BROKEN,
  StreamResetError: BROKEN,
  StreamStateError: BROKEN,
  UnexpectedEOFError: BROKEN,
  ConnectionInterceptedError: DENIED,
  DialDeniedError: DENIED,
  EncryptionFailedError: {
    reason: 'what answers at its address is no node of this kind, or another one',
    remedy: 'check the address and the peer id',
  },
  UnexpectedPeerError: {
    reason: 'another node answers at its address',
    remedy: 'check the address and the peer id',
  },
  InvalidMultiaddrError: UNSUITABLE,
  TransportUnavailableError: UNSUITABLE,
  NotFoundError: UNKNOWN,
  TooManyOutboundProtocolStreamsError: {
    reason: 'too much is being asked of it at once',
    remedy: 'ask again in a moment',
  },
}

/** @param hasAddress whether one was given, or is known from its announcement */
export function dialProblem(error: unknown, hasAddress: boolean): DialProblem {
  if (!(error instanceof Error)) return { reason: 'unknown reason', remedy: CHECK }
  if (/dial self/i.test(error.message)) return SELF
  if (error.name === 'NoValidAddressesError') return hasAddress ? UNSUITABLE : UNKNOWN
  if ('errors' in error && Array.isArray(error.errors) && error.errors.length > 0)
    return together(error.errors.map((each) => dialProblem(each, hasAddress)))
  const { code, name } = error as NodeJS.ErrnoException
  const known = (code === undefined ? undefined : PROBLEMS[code]) ?? PROBLEMS[name]
  if (known !== undefined) return known
  const reason = shown(error.message.split('\n', 1)[0] ?? '', MOST_REASON)
  return { reason: reason === '' ? 'unknown reason' : reason, remedy: CHECK }
}

/** Several addresses, each once. */
function together(problems: readonly DialProblem[]): DialProblem {
  const reasons = [...new Set(problems.map(({ reason }) => reason))]
  const [first] = problems
  return {
    reason: reasons.slice(0, MOST_REASONS).join(', '),
    remedy: reasons.length === 1 && first !== undefined ? first.remedy : CHECK,
  }
}
