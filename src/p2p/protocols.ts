/** Names of our protocols, and the description of one request-and-answer exchange. */
import type { Schema } from '../crypto/cbor-schema.js'
import type { AnswerLimits } from './answer-room.js'
import type { ByteLimits } from './byte-budget.js'
import type { RateLimit } from './rate-limit.js'

/** Raised when messages change incompatibly: old and new nodes then find no common protocol, and say so. */
const PROTOCOL_VERSION = 1

/** `/plumbline/<name>/1` */
export function protocolId(name: string): string {
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(name)) throw new Error(`"${name}" is no protocol name`)
  return `/plumbline/${name}/${PROTOCOL_VERSION}`
}

/** Our own DHT: without the version of the public one, so that we neither join nor serve it. */
export const KAD_PROTOCOL = protocolId('kad')
export const PING_PROTOCOL = protocolId('ping')
export const ANNOUNCEMENTS_TOPIC = protocolId('announce')
export const OFFERS_TOPIC = protocolId('offers')
export const FINDINGS_TOPIC = protocolId('findings')
/** All that a host hears of: subscriptions to any other topic, and its messages, are passed over. */
export const TOPICS: readonly string[] = [ANNOUNCEMENTS_TOPIC, OFFERS_TOPIC, FINDINGS_TOPIC]

/** One exchange: both sides agree on it. */
/**
 * Rooms for long answers: what is left unread of one refuses none of another. `challenge`: messages of a challenge; `paid`: what
 * only who paid for it is given; `common`: the rest, which anybody may ask for.
 */
export type AnswerRoomName = 'challenge' | 'paid' | 'common'

export interface Exchange<Q, R> {
  /** As in {@link protocolId}. */
  readonly name: string
  readonly request: Schema<Q>
  readonly response: Schema<R>
  readonly maxRequestBytes: number
  readonly maxResponseBytes: number
  /** From opening the stream to the whole answer, and on the answering side from the stream's arrival. */
  readonly deadlineMs: number
  /** How often it is answered; {@link DEFAULT_PEER_RATE} and {@link DEFAULT_TOTAL_RATE} otherwise. */
  readonly ratePerPeer?: RateLimit
  readonly rateTotal?: RateLimit
  /** Who asks more often is told so, and not blamed: an honest asker has as much to ask as there is. */
  readonly isHasteForgiven?: true
  /** Streams of it that one peer may have open at once, where the usual number is too small. */
  readonly maxStreams?: number
  /**
   * For what is asked often: short requests of all such exchanges go over one stream to a peer, which is kept. A stream of its
   * own costs milliseconds of both sides' processors (docs/protocol.md).
   */
  readonly sharesStream?: true
  /** Where its long answers find room: `common` unless given. */
  readonly answersIn?: AnswerRoomName
}

/** A challenge takes some ten exchanges with a peer, more with repeats: bursts pass, a hammer does not. */
export const DEFAULT_PEER_RATE: RateLimit = { perSecond: 10, burst: 50 }
/** All peers together: what a small board answers without falling behind. */
export const DEFAULT_TOTAL_RATE: RateLimit = { perSecond: 200, burst: 500 }

/** Longer messages, and exchanges that allow them, are kept apart: few streams, and from admitted peers only. */
export const SMALL_MESSAGE_BYTES = 131_072
/** Messages being read or answered: those of small exchanges, and the rest, where the largest has 16 MiB. */
export const SMALL_BUDGET: ByteLimits = { total: 16 * 2 ** 20, perPeer: 4 * 2 ** 20 }
export const LARGE_BUDGET: ByteLimits = { total: 48 * 2 ** 20, perPeer: 20 * 2 ** 20 }

const MIB = 2 ** 20
/**
 * Answers that wait to be read. The longest answer of all, evidence of 30 MiB, fits into a peer's share; what one peer leaves of
 * its network's, and one network of all, the longest output of a job.
 */
export const ANSWER_LIMITS: Readonly<Record<AnswerRoomName, AnswerLimits>> = {
  challenge: { total: 96 * MIB, perNetwork: 48 * MIB, perPeer: 32 * MIB },
  paid: { total: 64 * MIB, perNetwork: 48 * MIB, perPeer: 32 * MIB },
  common: { total: 96 * MIB, perNetwork: 48 * MIB, perPeer: 32 * MIB },
}

/** A peer that reads its answers more slowly holds memory for others: less than any line that carries sound. */
export const LEAST_BYTES_A_SECOND = 16_384

export const isLarge = (exchange: Pick<Exchange<unknown, unknown>, 'maxRequestBytes'>): boolean =>
  exchange.maxRequestBytes > SMALL_MESSAGE_BYTES

/** How an answer starts; everything but `ok` surfaces as RemoteError. */
export const STATUSES = [
  'ok',
  'bad_request',
  'denied',
  'busy',
  'rate_limited',
  'not_found',
  'conflict',
  'internal',
] as const
export type Status = (typeof STATUSES)[number]
export type FailureStatus = Exclude<Status, 'ok'>
