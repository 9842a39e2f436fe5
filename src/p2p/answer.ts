/** The answer of an exchange: a status in band, because a reset stream carries no reason. */
import { type CborValue, encode } from '../crypto/cbor.js'
import { anything, decodeAs, enumeration, type Infer, object, optional, text } from '../crypto/cbor-schema.js'
import { type ErrorCode, UserError } from '../errors.js'
import { type FailureStatus, STATUSES, type Status } from './protocols.js'

const MAX_MESSAGE_LENGTH = 300
/** Status, message and the map around the body. */
export const ANSWER_OVERHEAD_BYTES = 2048

const answerSchema = object({
  status: enumeration(...STATUSES),
  message: optional(text({ max: MAX_MESSAGE_LENGTH })),
  body: optional(anything),
})
export type Answer = Infer<typeof answerSchema>

const CODES: Readonly<Record<FailureStatus, ErrorCode>> = {
  bad_request: 'BAD_MESSAGE',
  denied: 'DENIED',
  busy: 'BUSY',
  rate_limited: 'RATE_LIMITED',
  not_found: 'NOT_FOUND',
  conflict: 'DENIED',
  internal: 'UNAVAILABLE',
}

/** A peer answered, and its answer was no. */
export class RemoteError extends UserError {
  readonly status: FailureStatus
  /** The peer's own words: printable, at most 300 characters, possibly empty. Not to be trusted. */
  readonly remoteMessage: string
  readonly peerId: string

  constructor(peerId: string, status: FailureStatus, message: string) {
    const words = printable(message)
    super(`${shortPeer(peerId)} answered ${status.replace('_', ' ')}${words ? `: ${words}` : ''}`, {
      code: CODES[status],
      details: { peerId, status },
    })
    this.status = status
    this.remoteMessage = words
    this.peerId = peerId
  }
}

/** Printable ASCII and letters of other scripts; no control, format or surrogate characters, no line ends. */
export function printable(message: string): string {
  return message
    .replace(/[^\P{C}]/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_MESSAGE_LENGTH)
}

/** The tail of a peer id tells peers apart; its head is the same for all secp256k1 keys. */
export function shortPeer(peerId: string): string {
  return `peer ..${peerId.slice(-8)}`
}

export function encodeAnswer(
  status: Status,
  rest: { readonly message?: string; readonly body?: CborValue },
): Uint8Array {
  const { message, body } = rest
  return encode({
    status,
    ...(message === undefined ? {} : { message: printable(message) }),
    ...(body === undefined ? {} : { body }),
  })
}

/** @throws UserError BAD_MESSAGE */
export function decodeAnswer(bytes: Uint8Array): Answer {
  return decodeAs(answerSchema, bytes, 'answer', { maxBytes: bytes.length })
}

/** How a handler's error is told: a refusal of its own with a `status`, a user error by its code, otherwise a bug. */
export function failureOf(error: unknown): { readonly status: FailureStatus; readonly message: string } {
  if (error instanceof Error && 'status' in error) {
    const status = STATUSES.find((each) => each === error.status)
    if (status !== undefined && status !== 'ok' && status !== 'internal')
      return { status, message: error.message }
  }
  if (error instanceof UserError) {
    const status = STATUS_OF_CODE[error.code]
    if (status !== undefined) return { status, message: error.message }
  }
  if (isOfDisk(error)) return { status: 'internal', message: 'this node cannot write to its disk' }
  // A bug's message may hold anything: the peer learns nothing of it.
  return { status: 'internal', message: 'internal error' }
}

/** The database's own code, and the operating system's. */
const DISK_CODES = ['LEVEL_IO_ERROR', 'ENOSPC', 'EROFS', 'EIO']

function isOfDisk(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('code' in error && DISK_CODES.includes(String(error.code))) || isOfDisk(error.cause)
}

const STATUS_OF_CODE: Partial<Readonly<Record<ErrorCode, FailureStatus>>> = {
  BAD_ARGUMENT: 'bad_request',
  BAD_MESSAGE: 'bad_request',
  BAD_TRANSCRIPT: 'bad_request',
  VERIFICATION_FAILED: 'bad_request',
  BUSY: 'busy',
  DENIED: 'denied',
  NOT_FOUND: 'not_found',
  RATE_LIMITED: 'rate_limited',
  EXISTS: 'conflict',
}
