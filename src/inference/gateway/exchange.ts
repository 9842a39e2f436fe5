/** One request and its answer. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ApiError, asApiError } from './api-error.js'
import { clientGone, Lease } from './body.js'
import type { Budget } from './budget.js'
import { EventStream } from './event-stream.js'
import type { GatewayLimits } from './limits.js'

/** A refused upload is read on for this long, so that the refusal arrives: a connection that is closed on unread bytes is reset. */
const LINGER_MS = 2000
const LINGER_BYTES = 64 * 2 ** 20

export class Exchange {
  readonly requestId = randomUUID()
  readonly #aborter = new AbortController()
  readonly #idleMs: number
  readonly lease: Lease

  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
    { held, limits }: { readonly held: Budget; readonly limits: Pick<GatewayLimits, 'idleMs'> },
  ) {
    this.lease = new Lease(held)
    this.#idleMs = limits.idleMs
    response.setHeader('x-request-id', this.requestId)
    response.setHeader('cache-control', 'no-store')
    response.setHeader('x-content-type-options', 'nosniff')
    response.on('close', () => {
      if (!response.writableFinished) this.#aborter.abort(clientGone())
      this.lease.release()
    })
    response.on('error', () => undefined)
  }

  /** Aborted when the client is gone, or the gateway stops. */
  get signal(): AbortSignal {
    return this.#aborter.signal
  }

  abort(reason: Error): void {
    this.#aborter.abort(reason)
  }

  /** For the answer that is still to come. */
  setHeaders(headers: Readonly<Record<string, string>>): void {
    if (this.response.headersSent) return
    for (const [name, value] of Object.entries(headers)) this.response.setHeader(name, value)
  }

  json(value: object, status = 200): void {
    this.#send(Buffer.from(JSON.stringify(value)), 'application/json', status)
  }

  text(value: string, type = 'text/plain; charset=utf-8', status = 200): void {
    this.#send(Buffer.from(value), type, status)
  }

  bytes(value: Uint8Array, type: string): void {
    this.#send(value, type, 200)
  }

  /** Server-sent events; the headers leave with the first one. */
  events(): EventStream {
    this.#hurry()
    return new EventStream(this.response)
  }

  /** Tells the client, in whatever form the answer has taken so far. @returns what it was told */
  fail(thrown: unknown): ApiError {
    const error = asApiError(thrown, this.requestId)
    this.lease.release()
    if (this.response.destroyed || this.response.writableEnded) return error
    if (this.response.headersSent) {
      // Only an event stream is under way when something fails.
      this.response.end(`data: ${JSON.stringify(error.body)}\n\n`)
      return error
    }
    this.setHeaders(error.headers)
    if (this.request.complete || !hasBody(this.request)) this.json(error.body, error.status)
    else this.#refuse(Buffer.from(JSON.stringify(error.body)), error.status)
    return error
  }

  #send(body: Uint8Array, type: string, status: number): void {
    if (this.response.destroyed) return
    this.#hurry()
    this.response.writeHead(status, { 'content-type': type, 'content-length': body.length })
    this.response.end(this.request.method === 'HEAD' ? undefined : body)
  }

  /** The answer is complete for the client at once; the connection ends when it has stopped sending, or soon. */
  #refuse(body: Uint8Array, status: number): void {
    const { request, response } = this
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': body.length,
      connection: 'close',
    })
    response.write(body)
    let discarded = 0
    const end = (): void => {
      clearTimeout(timer)
      response.end()
    }
    const timer = setTimeout(end, LINGER_MS)
    request.on('data', (piece: Buffer) => {
      discarded += piece.length
      if (discarded > LINGER_BYTES) end()
    })
    request.on('end', end).on('close', end)
    request.resume()
  }

  /** A client that does not read its answer is cut off. */
  #hurry(): void {
    this.response.setTimeout(this.#idleMs, () => this.response.destroy())
  }
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
