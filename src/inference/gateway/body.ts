/** Reads a request's body: bounded in size, in time between two pieces, and in what all requests hold together. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ApiError } from './api-error.js'
import type { Budget } from './budget.js'

/** What one request holds of the common budget. */
export class Lease {
  readonly #budget: Budget
  #held = 0
  #isOver = false

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** Nothing, once all was given back: a job may end after its request. @throws ApiError 429 */
  take(bytes: number): void {
    if (this.#isOver) return
    this.#budget.take(bytes)
    this.#held += bytes
  }

  /** Of an answer that was paid for: as {@link Budget.takeLast}. @throws ApiError 429 */
  takePaid(bytes: number): void {
    if (this.#isOver) return
    this.#budget.takeLast(bytes)
    this.#held += bytes
  }

  /** Gives everything back; once is enough. */
  release(): void {
    this.#isOver = true
    this.#budget.give(this.#held)
    this.#held = 0
  }
}

/** A request whose body is to be read. */
export interface Incoming {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly lease: Lease
}

export interface BodyLimits {
  readonly mostBytes: number
  /** Between two pieces. */
  readonly idleMs: number
}

/**
 * Hands on the body piece by piece. The request is left paused where it fails, never destroyed: an answer is still due.
 * @throws ApiError 413, 408, 429, and what `take` throws
 */
export function eachPiece(
  { request, response, lease }: Incoming,
  { mostBytes, idleMs }: BodyLimits,
  take: (piece: Buffer) => void,
): Promise<void> {
  const { 'content-length': declared = 0, expect = '' } = request.headers
  if (Number(declared) > mostBytes) return Promise.reject(tooLarge(mostBytes))
  // Whoever asks before sending is told to only now.
  if (/^100-continue$/i.test(expect)) response.writeContinue()
  return new Promise((resolve, reject) => {
    let received = 0
    let isOver = false
    const done = (error?: unknown): void => {
      isOver = true
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
      request.off('timeout', onIdle)
      request.setTimeout(0)
      if (error === undefined) resolve()
      else {
        request.pause()
        // Whatever becomes of the connection now, it is no news.
        request.on('error', () => undefined)
        reject(error)
      }
    }
    const onData = (piece: Buffer): void => {
      try {
        received += piece.length
        if (received > mostBytes) throw tooLarge(mostBytes)
        lease.take(piece.length)
        take(piece)
      } catch (error) {
        done(error)
      }
    }
    const onEnd = (): void => done()
    const onClose = (): void => done(clientGone())
    // Where this process itself stood still, what came meanwhile lies in the socket: it is read before anybody is blamed.
    const onIdle = (): void => {
      const before = received
      setImmediate(() => {
        if (isOver) return
        if (received > before) request.setTimeout(idleMs)
        else done(idleError(idleMs))
      })
    }
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
    request.setTimeout(idleMs, onIdle)
  })
}

export const CLIENT_GONE = 499
/** Nobody reads it; it tells the log and the job why. */
export const clientGone = (): ApiError =>
  new ApiError('the client went away', { status: CLIENT_GONE, code: 'client_closed_request' })

export const isClientGone = (reason: unknown): boolean =>
  reason instanceof ApiError && reason.status === CLIENT_GONE

const idleError = (idleMs: number): ApiError =>
  new ApiError(`no more of the body came for ${idleMs / 1000} s`, { status: 408, code: 'request_timeout' })

const tooLarge = (mostBytes: number): ApiError =>
  new ApiError(`the body exceeds ${(mostBytes / 2 ** 20).toFixed(0)} MiB; send less at once`, {
    status: 413,
    code: 'body_too_large',
  })

/** A JSON object. @throws ApiError */
export async function readJson(
  incoming: Incoming,
  limits: BodyLimits,
): Promise<Readonly<Record<string, unknown>>> {
  const type = incoming.request.headers['content-type'] ?? ''
  if (!/^application\/json\b/i.test(type))
    throw new ApiError('the body must be application/json', { status: 415, code: 'unsupported_media_type' })
  const pieces: Buffer[] = []
  await eachPiece(incoming, limits, (piece) => pieces.push(piece))
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)))
  } catch (cause) {
    throw new ApiError('the body is no valid JSON', { status: 400, code: 'invalid_json', cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ApiError('the body must be a JSON object', { status: 400, code: 'invalid_json' })
  return value as Readonly<Record<string, unknown>>
}
