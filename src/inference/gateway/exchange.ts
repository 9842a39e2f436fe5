/** One request and its answer. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { formatEther } from '../../chain/ether.js'
import type { Job, JobPayment } from '../job.js'
import { paymentsTotal } from '../payments-total.js'
import { ApiError, asApiError } from './api-error.js'
import { CLIENT_GONE, clientGone, Lease } from './body.js'
import type { Budget } from './budget.js'
import { EventStream } from './event-stream.js'
import type { GatewayLimits } from './limits.js'
import type { PaidJob } from './paid-answers.js'
import { patienceMs } from './patience.js'

/** A refused upload is read on for this long, so that the refusal arrives: a connection that is closed on unread bytes is reset. */
const LINGER_MS = 2000
const LINGER_BYTES = 64 * 2 ** 20
/** Answers up to that are sent however full the memory is: probes and most transcripts. */
const UNCOUNTED_BYTES = 64 * 1024

export class Exchange {
  readonly requestId = randomUUID()
  readonly #aborter = new AbortController()
  readonly #limits: Pick<GatewayLimits, 'idleMs' | 'answerMs'>
  readonly lease: Lease
  readonly #payments = new Set<JobPayment>()
  /** Keep what was paid and is not going to arrive. */
  #keepers: (() => number)[] = []
  #jobs = 0
  #isLost = false
  readonly #stopWatch: () => void
  #isClosed = false
  /** A refusal is whole on its way before the answer's end, which waits for a client that still sends. */
  #isRefused = false
  /** It has begun: there is nothing more to say. */
  #isRefusing = false
  /** Payments of which the answer is kept. */
  #kept = 0

  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
    { held, limits }: { readonly held: Budget; readonly limits: Pick<GatewayLimits, 'idleMs' | 'answerMs'> },
  ) {
    this.lease = new Lease(held)
    this.#limits = limits
    this.#stopWatch = this.#watch()
    response.setHeader('x-request-id', this.requestId)
    response.setHeader('cache-control', 'no-store')
    response.setHeader('x-content-type-options', 'nosniff')
    response.on('close', () => this.close())
    response.on('error', () => undefined)
  }

  /** The answer is out, or there is nobody left to read it. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stopWatch()
    if (!this.response.writableFinished) {
      this.#aborter.abort(clientGone())
      this.#lose()
      // One whose turn never came has no socket, and would be written to nobody.
      this.response.destroy()
    }
    this.lease.release()
  }

  /** What the client was told; 499 where it went away before. */
  get status(): number {
    return this.response.writableFinished || this.#isRefused ? this.response.statusCode : CLIENT_GONE
  }

  /** Aborted when the client is gone, the time is over, or the gateway stops. */
  get signal(): AbortSignal {
    return this.#aborter.signal
  }

  abort(reason: Error): void {
    this.#aborter.abort(reason)
  }

  /** Counts a job of it: the same of a repeated request is the same. */
  nextJob(job: Job): PaidJob {
    const { authorization = '' } = this.request.headers
    return { authorization, path: this.request.url ?? '', ordinal: this.#jobs++, job }
  }

  /** Of all its jobs so far. */
  get paidWei(): bigint {
    return paymentsTotal([...this.#payments])?.priceWei ?? 0n
  }

  /** From now on the client must not repeat it by itself. @returns whether that was not known */
  paid(payment: JobPayment): boolean {
    const isNew = !this.#payments.has(payment)
    this.#payments.add(payment)
    return isNew
  }

  /** @param keep called once, where the client does not get an answer that was paid: returns the payments of what is kept */
  ifLost(keep: () => number): void {
    this.#keepers.push(keep)
    if (this.#isLost) this.#lose()
  }

  /** For the answer that is still to come. */
  setHeaders(headers: Readonly<Record<string, string>>): void {
    if (this.response.headersSent) return
    for (const [name, value] of Object.entries(headers)) this.response.setHeader(name, value)
  }

  /** @throws ApiError 429 for a large one, where answers that nobody reads fill the memory; so do the other two */
  json(value: object, status = 200): void {
    this.#answer(Buffer.from(JSON.stringify(value)), 'application/json', status)
  }

  text(value: string, type = 'text/plain; charset=utf-8', status = 200): void {
    this.#answer(Buffer.from(value), type, status)
  }

  bytes(value: Uint8Array, type: string): void {
    this.#answer(value, type, 200)
  }

  /** Server-sent events; the headers leave with the first one. */
  events(): EventStream {
    this.#hurry()
    return new EventStream(this.response)
  }

  /** Tells the client, in whatever form the answer has taken so far. @returns what it was told */
  fail(thrown: unknown): ApiError {
    // Whatever an end from here made of the job: the reason for it is known.
    const { aborted, reason } = this.#aborter.signal
    const error = this.#afterPaying(asApiError(aborted ? reason : thrown, this.requestId))
    this.lease.release()
    if (this.response.destroyed || this.response.writableEnded || this.#isRefusing) return error
    if (this.response.headersSent) {
      // Only an event stream is under way when something fails.
      this.response.end(`data: ${JSON.stringify(error.body)}\n\n`)
      return error
    }
    this.setHeaders(error.headers)
    const body = Buffer.from(JSON.stringify(error.body))
    if (this.request.complete || !hasBody(this.request)) this.#send(body, 'application/json', error.status)
    else this.#refuse(body, error.status)
    return error
  }

  #afterPaying(error: ApiError): ApiError {
    this.#lose()
    const total = paymentsTotal([...this.#payments])
    if (total === undefined) return error
    const { priceWei, units, provider, receipts } = total
    this.setHeaders({
      'x-plumbline-provider': provider,
      'x-plumbline-price-wei': String(priceWei),
      'x-plumbline-units': String(units),
      'x-plumbline-receipt': receipts,
    })
    const paid = `${formatEther(priceWei, 'up')} was paid for ${units} ${units === 1 ? 'unit' : 'units'} of it`
    return error.afterPaying(
      this.#kept === this.#payments.size
        ? `${paid}, and is not paid again where the same is asked for soon`
        : paid,
    )
  }

  #lose(): void {
    this.#isLost = true
    for (const keep of this.#keepers.splice(0)) this.#kept += keep()
  }

  /** @returns ends it */
  #watch(): () => void {
    const { answerMs } = this.#limits
    const late = (ms: number) => (): void => {
      // Of an answer that has begun, a client awaits no more than the next piece.
      if (ms < answerMs && this.response.headersSent) timer = start(answerMs, answerMs - ms)
      else this.#aborter.abort(lateError(ms))
    }
    const start = (ms: number, inMs = ms): NodeJS.Timeout => setTimeout(late(ms), inMs).unref()
    let timer = start(patienceMs(this.request.headers, answerMs))
    return () => clearTimeout(timer)
  }

  #answer(body: Uint8Array, type: string, status: number): void {
    if (body.length > UNCOUNTED_BYTES && this.paidWei > 0n) this.lease.takePaid(body.length)
    else if (body.length > UNCOUNTED_BYTES) this.lease.take(body.length)
    this.#send(body, type, status)
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
    this.#isRefusing = true
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': body.length,
      connection: 'close',
    })
    response.write(body, (error) => {
      this.#isRefused = error === undefined || error === null
    })
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
    this.response.setTimeout(this.#limits.idleMs, () => this.response.destroy())
  }
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

const lateError = (ms: number): ApiError =>
  new ApiError(`it was not done within ${ms / 1000} s of the request`, { status: 504, code: 'timeout' })
