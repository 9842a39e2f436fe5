/**
 * Says what this node is, and hears what others are: by gossip, and by asking a peer for what it has heard. Gossip
 * reaches only who listens at that moment, so an announcement is made again when somebody new listens, and in time
 * before it expires.
 */
import { type GossipSub, TopicValidatorResult } from '@libp2p/gossipsub'
import { array, bytes, nothing } from '../crypto/cbor-schema.js'
import type { Signer } from '../crypto/identity.js'
import type { Logger } from '../telemetry/logger.js'
import {
  ANNOUNCEMENT_LIFETIME_MS,
  type AnnouncementContent,
  type AnnouncementTable,
  MAX_ANNOUNCEMENT_BYTES,
  signAnnouncement,
} from './announcements.js'
import { ANNOUNCEMENTS_TOPIC, type Exchange } from './protocols.js'

/** Two rounds may get lost before an announcement expires. */
const REFRESH_MS = ANNOUNCEMENT_LIFETIME_MS / 3
/** Newcomers of this time are served by one announcement: others accept one in five seconds. */
const NEWCOMERS_MS = 5000
/** The first newcomer after a quiet time does not wait as long: a mesh takes about a heartbeat to form. */
const FIRST_NEWCOMER_MS = 500
/** How often in a row an announcement is repeated for a subscriber that it could not be sent to. */
const MAX_REPEATS = 3
/** Half a megabyte at most; the table of a well-connected node holds more, and gossip brings the rest. */
const MAX_KNOWN = 128

const VERDICTS = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const

/** What a peer has heard: signed announcements as they came, the latest last. */
export const KNOWN_PEERS: Exchange<null, readonly Uint8Array[]> = {
  name: 'known-peers',
  request: nothing,
  response: array(bytes({ max: MAX_ANNOUNCEMENT_BYTES }), { max: MAX_KNOWN }),
  maxRequestBytes: 64,
  maxResponseBytes: MAX_KNOWN * (MAX_ANNOUNCEMENT_BYTES + 8),
  deadlineMs: 5000,
  ratePerPeer: { perSecond: 0.1, burst: 5 },
}

export interface AnnouncerModules {
  readonly pubsub: GossipSub
  readonly signer: Signer
  readonly table: AnnouncementTable
  readonly log: Logger
}

export class Announcer {
  readonly #modules: AnnouncerModules
  #content: (() => AnnouncementContent) | undefined
  #refresh: NodeJS.Timeout | undefined
  #newcomers: NodeJS.Timeout | undefined
  #lastMs = Number.NEGATIVE_INFINITY
  #repeats = 0

  constructor(modules: AnnouncerModules) {
    this.#modules = modules
  }

  /** Listens to the topic; call once libp2p runs. */
  start(): void {
    const { pubsub, table } = this.#modules
    pubsub.topicValidators.set(
      ANNOUNCEMENTS_TOPIC,
      (_sender, message) => VERDICTS[table.receive(message.data)],
    )
    pubsub.addEventListener('subscription-change', ({ detail }) => {
      const joined = detail.subscriptions.some(
        ({ topic, subscribe }) => topic === ANNOUNCEMENTS_TOPIC && subscribe,
      )
      if (joined) this.#welcome()
    })
    pubsub.subscribe(ANNOUNCEMENTS_TOPIC)
  }

  stop(): void {
    clearInterval(this.#refresh)
    clearTimeout(this.#newcomers)
    this.#content = undefined
  }

  /** Announces now, and from now on whenever it is due; `content` is asked each time, so addresses stay current. */
  async announce(content: () => AnnouncementContent): Promise<void> {
    this.#content = content
    clearInterval(this.#refresh)
    this.#refresh = setInterval(() => void this.#publish(), REFRESH_MS)
    this.#refresh.unref()
    await this.#publish()
  }

  /** Announcements to hand to a peer that asks. */
  known(): readonly Uint8Array[] {
    return this.#modules.table.messages(MAX_KNOWN)
  }

  #welcome(): void {
    this.#repeats = 0
    this.#publishSoon()
  }

  #publishSoon(): void {
    if (this.#content === undefined || this.#newcomers !== undefined) return
    const waitMs = Math.max(FIRST_NEWCOMER_MS, this.#lastMs + NEWCOMERS_MS - performance.now())
    this.#newcomers = setTimeout(() => {
      this.#newcomers = undefined
      void this.#publish()
    }, waitMs)
    this.#newcomers.unref()
  }

  async #publish(): Promise<void> {
    const { pubsub, signer, table, log } = this.#modules
    if (this.#content === undefined) return
    this.#lastMs = performance.now()
    try {
      const message = signAnnouncement(signer, this.#content(), Date.now())
      table.receive(message)
      const { recipients } = await pubsub.publish(ANNOUNCEMENTS_TOPIC, message)
      // Who got nothing limits nothing.
      if (recipients.length === 0) this.#lastMs = Number.NEGATIVE_INFINITY
      // A subscription is heard as soon as the other side's stream is open; ours to it may open later.
      const reached = new Set(recipients.map(String))
      const isComplete = pubsub.getSubscribers(ANNOUNCEMENTS_TOPIC).every((peer) => reached.has(String(peer)))
      if (isComplete) this.#repeats = 0
      else if (this.#repeats++ < MAX_REPEATS) this.#publishSoon()
    } catch (error) {
      log.warn({ err: error }, 'announcing failed')
    }
  }
}
