/** The server: connections, time limits, and one request's way from its headers to its route. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { UserError } from '../../errors.js'
import { type Logger, silentLogger } from '../../telemetry/logger.js'
import type { JobSource } from '../job.js'
import { type AccessRules, checkKey, checkSource, corsHeaders, isLoopbackName } from './access.js'
import { ApiError } from './api-error.js'
import type { ApiKeys } from './api-keys.js'
import { Budget } from './budget.js'
import { Connections } from './connections.js'
import type { GatewayContext } from './context.js'
import { Exchange } from './exchange.js'
import { DEFAULT_LIMITS, type GatewayLimits } from './limits.js'
import { GatewayMetrics } from './metrics.js'
import { ModelList } from './model-list.js'
import { PaidAnswers } from './paid-answers.js'
import { type FoundRoute, findRoute } from './routes/index.js'
import { SoundDecoder } from './sound-decoder.js'

export interface GatewayOptions {
  /** Name or address to listen on, and port; 0 is any that is free. */
  readonly host: string
  readonly port: number
  /** Who may ask; everybody unless given, and away from loopback there must be some. */
  readonly keys?: ApiKeys
  /** Further names that `Host` may say on loopback, for a proxy in front. */
  readonly allowHosts?: readonly string[]
  /** Whose pages may ask; nobody's unless given. */
  readonly corsOrigins?: readonly string[]
  readonly aliases?: ReadonlyMap<string, string>
  /** `auto` may mean a model that nobody here knows, where none that is known does it; false unless given. */
  readonly anyModel?: boolean
  /** Most that one request may cost, all its jobs together. */
  readonly maxPriceWei?: bigint
  readonly limits?: Partial<GatewayLimits>
}

export interface GatewayModules {
  /** Is not closed with the gateway. */
  readonly source: JobSource
  readonly log?: Logger
}

const HEADER_BYTES = 16 * 1024
/** How often Node looks for requests that are late; its own 30 s would be three times the limit on headers. */
const LATE_CHECK_MS = 1000
const KEEP_ALIVE_MS = 5000
/** Of a path, in characters: whoever asks for nonsense needs no key, and 16 KiB a line would fill a disk. */
const MOST_LOGGED_PATH = 200
/** Answers under way when the gateway stops. */
const STOP_MS = 5000

export class Gateway {
  readonly #server: Server
  readonly #context: GatewayContext
  readonly #rules: AccessRules
  readonly #open = new Set<Exchange>()
  readonly #connections: Connections
  /** Answers of a connection that have not ended: one that has begun cannot be replaced by an error. */
  readonly #answers = new WeakMap<object, Set<ServerResponse>>()

  private constructor(options: GatewayOptions, { source, log = silentLogger }: GatewayModules) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const { host, keys, aliases = new Map(), maxPriceWei, allowHosts = [], corsOrigins = [] } = options
    this.#rules = {
      isLoopback: isLoopbackName(host),
      keys,
      hosts: new Set(allowHosts.map((name) => name.toLowerCase())),
      origins: new Set(corsOrigins),
    }
    this.#context = {
      source,
      models: new ModelList(source),
      decoder: new SoundDecoder(limits),
      limits,
      aliases,
      anyModel: options.anyModel ?? false,
      maxPriceWei,
      paidAnswers: new PaidAnswers(limits),
      widths: new Map(),
      active: new Budget(limits.requests, `${limits.requests} requests are being worked on`),
      probes: new Budget(limits.probes, `${limits.probes} probes wait`),
      held: new Budget(limits.heldBytes, 'recordings fill the memory that is set aside for them'),
      metrics: new GatewayMetrics(),
      log,
    }
    this.#server = createServer({
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: Math.min(LATE_CHECK_MS, limits.headersMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEADER_BYTES,
    })
    this.#connections = new Connections(limits)
    this.#server.on('connection', (socket) => this.#connections.add(socket))
    const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#receive(request, response)
    this.#server.on('request', onRequest)
    // A client that asks before it sends is answered first, and need not send what would be refused.
    this.#server.on('checkContinue', onRequest)
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
      this.#refuseUnread(error, socket as Socket),
    )
  }

  /** @throws UserError BAD_CONFIG without keys away from loopback; UNAVAILABLE where the address is taken */
  static async start(options: GatewayOptions, modules: GatewayModules): Promise<Gateway> {
    const { host, port, keys } = options
    if (!isLoopbackName(host) && keys === undefined)
      throw new UserError(`${host} can be reached from other machines, and there are no API keys`, {
        code: 'BAD_CONFIG',
        remedy: 'give --api-keys, or listen on 127.0.0.1',
        exitStatus: 2,
      })
    const gateway = new Gateway(options, modules)
    await gateway.#listen(host, port)
    await gateway.#context.decoder.open().catch(async (error) => {
      await gateway.stop()
      throw error
    })
    return gateway
  }

  /** What clients are given as their base URL. */
  get url(): string {
    const { address, port, family } = this.#server.address() as AddressInfo
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
  }

  get isLoopback(): boolean {
    return this.#rules.isLoopback
  }

  /** Whether a request is being worked on. */
  get isBusy(): boolean {
    return this.#context.active.used > 0
  }

  /** Of bodies in memory. */
  get heldBytes(): number {
    return this.#context.held.used
  }

  /** Takes no more, gives answers under way a moment, cancels the rest. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => this.#cutOff(), STOP_MS)
    await closed
    clearTimeout(timer)
    await this.#context.decoder.close()
  }

  #cutOff(): void {
    const stopping = new ApiError('the gateway is stopping', { status: 503, code: 'unavailable' })
    for (const exchange of this.#open) {
      exchange.abort(stopping)
      // A job may take longer to end than anybody has time for: its client is told what was paid by now.
      exchange.fail(stopping)
    }
    // What they were told is on its way first.
    setImmediate(() => this.#server.closeAllConnections())
  }

  async #listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) =>
        reject(
          new UserError(`cannot listen on ${host}:${port} (${cause.code ?? cause.message})`, {
            code: 'UNAVAILABLE',
            remedy: 'choose another address with --listen',
            cause,
          }),
        ),
      )
      this.#server.listen(port, host, resolve)
    })
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request
    let close = (): void => undefined
    const onGone = (): void => close()
    if (!this.#connections.asked(socket, onGone)) return
    const started = performance.now()
    const answers = this.#answers.get(socket) ?? new Set()
    this.#answers.set(socket, answers.add(response))
    const exchange = new Exchange(request, response, this.#context)
    this.#open.add(exchange)
    let routeName = 'none'
    close = () => {
      if (!this.#open.delete(exchange)) return
      exchange.close()
      this.#connections.answered(socket, onGone)
      answers.delete(response)
      const seconds = Math.round(performance.now() - started) / 1000
      const { method, url } = request
      const { requestId, status } = exchange
      this.#context.metrics.request(routeName, status, seconds)
      const path = pathOf(url).slice(0, MOST_LOGGED_PATH)
      this.#context.log.info({ requestId, method, path, status, seconds }, 'answered')
    }
    response.on('close', close)
    try {
      const found = this.#admit(exchange)
      if (found === undefined) return
      routeName = found.route.path
      await this.#answer(exchange, found)
    } catch (error) {
      const told = exchange.fail(error)
      if (told.status === 500)
        this.#context.log.error(
          { requestId: exchange.requestId, err: error },
          'a request failed: this is a bug',
        )
      else if (told.status > 500) {
        const { status, code, message } = told
        this.#context.log.warn(
          { requestId: exchange.requestId, status, code, reason: message },
          'a request failed',
        )
      }
    }
  }

  /**
   * @returns undefined where the answer is given already
   * @throws ApiError for whoever may not ask, and for what is not there
   */
  #admit(exchange: Exchange): FoundRoute | undefined {
    const { request, response } = exchange
    checkSource(request, this.#rules)
    exchange.setHeaders(corsHeaders(request, this.#rules))
    const method = request.method ?? 'GET'
    if (method === 'OPTIONS' && request.headers.origin !== undefined) {
      response.writeHead(204).end()
      return undefined
    }
    const found = findRoute(method, pathOf(request.url))
    if (found.route?.isOpen !== true) {
      checkKey(request, this.#rules)
      this.#connections.trust(request.socket)
    }
    if (found.route === undefined) throw noRoute(found.allowed, exchange)
    return found
  }

  async #answer(exchange: Exchange, { route, name }: FoundRoute): Promise<void> {
    const { active } = this.#context
    // Probes are answered however busy it is.
    const places = route.isOpen === true ? 0 : 1
    active.take(places)
    try {
      await route.answer(exchange, this.#context, name)
    } finally {
      active.give(places)
    }
  }

  /** A request that never became one: late, malformed, or with headers beyond measure. */
  #refuseUnread(error: NodeJS.ErrnoException, socket: Socket): void {
    if (!socket.writable || [...(this.#answers.get(socket) ?? [])].some((answer) => answer.headersSent)) {
      socket.destroy()
      return
    }
    const { code } = error
    const [status, words, refusal] =
      code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ([408, 'Request Timeout', lateError] as const)
        : code === 'HPE_HEADER_OVERFLOW'
          ? ([431, 'Request Header Fields Too Large', headersError] as const)
          : ([400, 'Bad Request', malformedError] as const)
    const body = JSON.stringify(refusal.body)
    socket.end(
      `HTTP/1.1 ${status} ${words}\r\ncontent-type: application/json\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    )
  }
}

const pathOf = (url: string | undefined): string => (url ?? '/').split('?', 1)[0] ?? '/'

const lateError = new ApiError('the request did not arrive in time', { status: 408, code: 'request_timeout' })
const headersError = new ApiError(`the headers exceed ${HEADER_BYTES / 1024} KiB`, {
  status: 431,
  code: 'headers_too_large',
})
const malformedError = new ApiError('that is no valid HTTP request', { status: 400, code: 'invalid_request' })

function noRoute(allowed: readonly string[], exchange: Exchange): ApiError {
  const { method } = exchange.request
  const path = pathOf(exchange.request.url).slice(0, 100)
  if (allowed.length === 0)
    return new ApiError(`there is no ${path} here`, { status: 404, code: 'unknown_url' })
  exchange.setHeaders({ allow: allowed.join(', ') })
  return new ApiError(`${path} takes ${allowed.join(', ')}, not ${method}`, {
    status: 405,
    code: 'method_not_allowed',
  })
}
