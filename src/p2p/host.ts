/** A running libp2p host with our conventions on top: exchanges, scores, announcements, pings. */
import { setMaxListeners } from 'node:events'
import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Identity } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import type { Logger } from '../telemetry/logger.js'
import { type Announcement, type AnnouncementContent, AnnouncementTable } from './announcements.js'
import { Announcer, KNOWN_PEERS } from './announcer.js'
import { AnswerRoom } from './answer-room.js'
import { type AskOptions, ask } from './ask.js'
import { ByteBudget } from './byte-budget.js'
import { Dht } from './dht.js'
import { dialProblem } from './dial-problem.js'
import type { NodeServices } from './libp2p-node.js'
import { Liveness } from './liveness.js'
import { openStream } from './open-stream.js'
import { type PingOptions, ping, servePings } from './ping.js'
import { ANSWER_LIMITS, type Exchange, isLarge, LARGE_BUDGET, protocolId, SMALL_BUDGET } from './protocols.js'
import type { Misdeed, PeerScores } from './scores.js'
import { type HandleOptions, type Handler, type Served, serve } from './serve.js'
import { answerShared } from './shared-stream/answering.js'
import { SharedStreams } from './shared-stream/asking.js'
import { SHARED_PROTOCOL } from './shared-stream/limits.js'
import { StreamAhead } from './stream-ahead.js'
import { type PeerTarget, resolveTarget } from './target.js'

export interface ConnectionView {
  readonly peerId: string
  readonly address: string
  readonly direction: 'inbound' | 'outbound'
  /** Through a relay. */
  readonly limited: boolean
}

export interface Ban {
  readonly peerId: string
  /** Milliseconds since the Unix epoch. */
  readonly untilMs: number
}

export interface HostModules {
  readonly identity: Identity
  readonly node: Libp2p<NodeServices>
  readonly scores: PeerScores
  readonly log: Logger
  /** Called with each new ban. */
  readonly onBan: (ban: Ban) => void
  /** Called after libp2p has stopped. */
  readonly close: () => Promise<void>
}

/** Streams of one exchange that one peer may have open at once: a coordinator asks a member for one thing at a time. */
const MAX_STREAMS_PER_EXCHANGE = 16
/** The same where each may bring megabytes. */
const MAX_STREAMS_PER_LARGE_EXCHANGE = 2
/** A peer keeps one; another where it lost that without this side's knowing. */
const MAX_SHARED_STREAMS = 2
const CONNECT_DEADLINE_MS = 15_000
const BOOTSTRAP_RETRY_MS = 10_000
const STOP_DEADLINE_MS = 5000
/** Of an exchange's deadline, that a stream may be open before it is used. */
const AHEAD_SHARE = 0.25

export class Host {
  readonly peerId: string
  readonly announcements: AnnouncementTable
  readonly dht: Dht
  /** The library underneath, for what this class has no word for. */
  readonly node: Libp2p<NodeServices>
  readonly scores: PeerScores
  readonly #announcer: Announcer
  readonly #log: Logger
  readonly #onBan: (ban: Ban) => void
  readonly #close: () => Promise<void>
  readonly #budgets = { small: new ByteBudget(SMALL_BUDGET), large: new ByteBudget(LARGE_BUDGET) }
  readonly #answerRooms = {
    challenge: new AnswerRoom(ANSWER_LIMITS.challenge),
    paid: new AnswerRoom(ANSWER_LIMITS.paid),
    common: new AnswerRoom(ANSWER_LIMITS.common),
  }
  readonly #bootstrap: readonly string[]
  readonly #stopping = new AbortController()
  readonly #shared: SharedStreams
  /** Of exchanges that share a stream, by name. */
  readonly #served = new Map<string, Served>()
  #bootstrapTimer: NodeJS.Timeout | undefined
  #liveness: Liveness | undefined

  constructor(options: { readonly bootstrap: readonly string[] }, modules: HostModules) {
    this.node = modules.node
    this.scores = modules.scores
    this.#log = modules.log
    this.#onBan = modules.onBan
    this.#close = modules.close
    this.#bootstrap = options.bootstrap
    // Every exchange under way listens for the stop.
    setMaxListeners(0, this.#stopping.signal)
    this.peerId = modules.node.peerId.toString()
    this.announcements = new AnnouncementTable(Date.now)
    this.#announcer = new Announcer({
      pubsub: modules.node.services.pubsub,
      signer: modules.identity,
      table: this.announcements,
      log: modules.log,
    })
    this.dht = new Dht(modules.node, this.#stopping.signal)
    this.#shared = new SharedStreams((target, signal) =>
      openStream(this.node, target, SHARED_PROTOCOL, signal),
    )
  }

  /** Listens, joins by the bootstrap peers and reserves places at the relays. @throws UserError UNAVAILABLE */
  async start(): Promise<void> {
    this.node.addEventListener('connection:open', ({ detail }) => this.#logConnection('connected', detail))
    this.node.addEventListener('connection:close', ({ detail }) =>
      this.#logConnection('disconnected', detail),
    )
    try {
      await this.node.start()
    } catch (cause) {
      await this.stop()
      throw listenProblem(cause)
    }
    await servePings(this.node, this.#stopping.signal)
    const shared = {
      log: this.#log,
      stopping: this.#stopping.signal,
      report: (peerId: string, misdeed: Misdeed) => this.report(peerId, misdeed),
      budget: this.#budgets.small,
      servedBy: (name: string) => this.#served.get(name),
    }
    await this.node.handle(SHARED_PROTOCOL, answerShared(shared), {
      runOnLimitedConnection: true,
      maxInboundStreams: MAX_SHARED_STREAMS,
    })
    this.#liveness = new Liveness({
      connections: () => this.node.getConnections(),
      now: () => performance.now(),
      onDead: ({ remotePeer }, error) =>
        this.#log.debug({ err: error, peerId: remotePeer.toString() }, 'a silent connection is ended'),
      stopping: this.#stopping.signal,
    })
    this.#announcer.start()
    await this.handle(KNOWN_PEERS, async () => this.#announcer.known())
    await Promise.all([this.node.services.relays.keep(this.node), this.#joinBootstrap()])
    this.#bootstrapTimer = setInterval(() => void this.#joinBootstrap(), BOOTSTRAP_RETRY_MS)
    this.#bootstrapTimer.unref()
  }

  /** Ends every exchange under way and closes all connections. Safe to call twice. */
  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort(new Error('the host stops'))
    clearInterval(this.#bootstrapTimer)
    this.#liveness?.stop()
    this.#announcer.stop()
    this.node.services.relays.release()
    const timer = new Promise<void>((resolve) => setTimeout(resolve, STOP_DEADLINE_MS).unref())
    await Promise.race([this.#shared.stop(), timer])
    await Promise.race([this.node.stop(), timer])
    await this.#close()
  }

  /** Where this host can be dialled, each ending with /p2p/ and its id. */
  addresses(): readonly string[] {
    return [...new Set(this.node.getMultiaddrs().map(String))]
  }

  connections(): readonly ConnectionView[] {
    return this.node.getConnections().map((connection) => ({
      peerId: connection.remotePeer.toString(),
      address: connection.remoteAddr.toString(),
      direction: connection.direction,
      limited: !connection.direct,
    }))
  }

  /** Peers with at least one connection. */
  peerCount(): number {
    return this.node.getPeers().length
  }

  isConnected(peerId: string): boolean {
    return this.node.getConnections(resolveTarget(peerId).peerId).length > 0
  }

  /** Answers an exchange; `handler` refuses by throwing an error with a `status`, or a UserError. */
  async handle<Q, R>(
    exchange: Exchange<Q, R>,
    handler: Handler<Q, R>,
    options: HandleOptions = {},
  ): Promise<void> {
    const modules = {
      log: this.#log,
      now: () => performance.now(),
      stopping: this.#stopping.signal,
      report: (peerId: string, misdeed: Misdeed) => this.report(peerId, misdeed),
      budgets: this.#budgets,
      answerRooms: this.#answerRooms,
    }
    const served = serve(exchange, handler, modules, options)
    await this.node.handle(protocolId(exchange.name), served.onStream, {
      runOnLimitedConnection: true,
      maxInboundStreams: exchange.maxStreams ?? usualStreams(exchange),
    })
    if (exchange.sharesStream) this.#served.set(exchange.name, served)
  }

  /** No longer answers an exchange. */
  async unhandle(exchange: Pick<Exchange<unknown, unknown>, 'name'>): Promise<void> {
    this.#served.delete(exchange.name)
    await this.node.unhandle(protocolId(exchange.name))
  }

  /**
   * Asks a peer, dialling it where needed, and returns its answer.
   * @throws RemoteError where it answered no; UserError UNREACHABLE, TIMEOUT, UNAVAILABLE (does not speak the
   *   protocol) or BAD_MESSAGE; the reason of `options.signal`
   */
  request<Q, R>(peer: PeerTarget, exchange: Exchange<Q, R>, body: Q, options: AskOptions = {}): Promise<R> {
    return ask(this.node, resolveTarget(peer), exchange, body, options, {
      shared: this.#shared,
      stopping: this.#stopping.signal,
      observe: (peerId, misdeed) => this.report(peerId, misdeed),
    })
  }

  /** Opens the stream of a request that comes in a moment: hand it to that, and release it in any case. */
  openAhead<Q, R>(peer: PeerTarget, exchange: Exchange<Q, R>): StreamAhead {
    const protocol = protocolId(exchange.name)
    const target = resolveTarget(peer)
    return new StreamAhead(
      (signal) => openStream(this.node, target, protocol, signal),
      exchange.deadlineMs * AHEAD_SHARE,
    )
  }

  /** Round-trip times in milliseconds on a monotonic clock. @throws UserError UNREACHABLE, TIMEOUT */
  ping(peer: PeerTarget, options: PingOptions = {}): Promise<readonly number[]> {
    return ping(this.node, resolveTarget(peer), options)
  }

  /** Opens a connection; returns the address it runs over. @throws UserError UNREACHABLE */
  async connect(peer: PeerTarget, options: { readonly signal?: AbortSignal } = {}): Promise<string> {
    const { peerId, addresses } = resolveTarget(peer)
    const timeout = AbortSignal.timeout(CONNECT_DEADLINE_MS)
    const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal])
    try {
      const connection = await this.node.dial(addresses.length > 0 ? [...addresses] : peerId, { signal })
      return connection.remoteAddr.toString()
    } catch (cause) {
      if (options.signal?.aborted) throw cause
      const { reason, remedy } = dialProblem(cause, addresses.length > 0)
      throw new UserError(`cannot connect to ${peerId} (${reason})`, {
        code: 'UNREACHABLE',
        remedy,
        cause,
      })
    }
  }

  /** Closes all connections to a peer. */
  async disconnect(peerId: string): Promise<void> {
    await this.node.hangUp(resolveTarget(peerId).peerId)
  }

  /** Tells of each peer whose last connection has ended; the function that it gives ends that. */
  onPeerGone(listener: (peerId: string) => void): () => void {
    const onEvent = ({ detail }: { readonly detail: PeerId }): void => listener(detail.toString())
    this.node.addEventListener('peer:disconnect', onEvent)
    return () => this.node.removeEventListener('peer:disconnect', onEvent)
  }

  /** Counts a peer's misdeed; a peer that is banned by it is hung up on. */
  report(peerId: string, misdeed: Misdeed): void {
    if (!this.scores.report(peerId, misdeed)) return
    this.#log.warn({ peerId, misdeed }, 'banned a peer')
    const untilMs = this.scores.bannedUntil(peerId)
    if (untilMs !== undefined) this.#onBan({ peerId, untilMs })
    this.disconnect(peerId).catch((error: unknown) =>
      this.#log.debug({ err: error, peerId }, 'hanging up failed'),
    )
  }

  /**
   * Signs and gossips what this node is, now and again in time; a function is asked for the content each time, so that
   * it tells the addresses of the moment. Also heard by itself.
   */
  async announce(content: AnnouncementContent | (() => AnnouncementContent)): Promise<void> {
    await this.#announcer.announce(typeof content === 'function' ? content : () => content)
  }

  /** The announcement of a peer that is still valid, if one was heard. */
  announcementOf(peerId: string): Announcement | undefined {
    return this.announcements.get(peerId)
  }

  /** Asks a peer which others it has heard of. @throws as {@link request} */
  async learnPeersFrom(peer: PeerTarget): Promise<void> {
    for (const message of await this.request(peer, KNOWN_PEERS, null)) this.announcements.receive(message)
  }

  async #joinBootstrap(): Promise<void> {
    const missing = this.#bootstrap.filter((address) => {
      const { peerId } = resolveTarget(address)
      return !peerId.equals(this.node.peerId) && this.node.getConnections(peerId).length === 0
    })
    await Promise.all(
      missing.map(async (address) => {
        try {
          await this.node.dial(multiaddr(address), { signal: AbortSignal.timeout(CONNECT_DEADLINE_MS) })
          await this.learnPeersFrom(address)
        } catch (error) {
          this.#log.debug({ address, err: error }, 'joining by a bootstrap peer failed')
        }
      }),
    )
  }

  #logConnection(what: string, connection: Connection): void {
    const { remotePeer, remoteAddr, direction } = connection
    this.#log.debug({ peerId: remotePeer.toString(), address: remoteAddr.toString(), direction }, what)
  }
}

const usualStreams = (exchange: Pick<Exchange<unknown, unknown>, 'maxRequestBytes'>): number =>
  isLarge(exchange) ? MAX_STREAMS_PER_LARGE_EXCHANGE : MAX_STREAMS_PER_EXCHANGE

function listenProblem(cause: unknown): unknown {
  if (!(cause instanceof Error) || !/listen/i.test(cause.name + cause.message)) return cause
  const detail = /EADDRINUSE|EACCES|EADDRNOTAVAIL/.exec(cause.message)?.[0] ?? cause.name
  const address = /\/(?:ip4|ip6|dns)[^\s:]*/.exec(cause.message)?.[0] ?? 'an address of network.listen'
  return new UserError(`cannot listen on ${address} (${detail})`, {
    code: 'UNAVAILABLE',
    remedy: 'another process may have the port; change network.listen',
    cause,
  })
}
