/** Offers over gossip: a provider tells its own now and again, everybody keeps what it hears. */
import { type GossipSub, TopicValidatorResult } from '@libp2p/gossipsub'
import { type Host, OFFERS_TOPIC as TOPIC } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { OfferIntake } from './offer-intake.js'
import type { OfferTable, Verdict } from './offer-table.js'

/** A third of an offer's life. */
const REFRESH_MS = 10 * 60_000
/** Who begins to listen is told soon, and those of a moment together. */
const NEWCOMERS_MS = 2000

const VERDICTS: Readonly<Record<Verdict, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

export class OffersGossip {
  readonly #pubsub: GossipSub
  readonly #table: OfferTable
  readonly #log: Logger
  readonly #intake = new OfferIntake()
  #own: (() => Uint8Array) | undefined
  #refresh: NodeJS.Timeout | undefined
  #newcomers: NodeJS.Timeout | undefined

  constructor({
    host,
    table,
    log,
  }: { readonly host: Host; readonly table: OfferTable; readonly log: Logger }) {
    this.#pubsub = host.node.services.pubsub
    this.#table = table
    this.#log = log
  }

  readonly #onSubscription = ({ detail }: { readonly detail: SubscriptionDetail }): void => {
    if (!detail.subscriptions.some(({ topic, subscribe }) => topic === TOPIC && subscribe)) return
    if (this.#own === undefined) return
    this.#newcomers ??= setTimeout(() => {
      this.#newcomers = undefined
      void this.publish()
    }, NEWCOMERS_MS)
    this.#newcomers.unref()
  }

  start(): void {
    this.#pubsub.topicValidators.set(
      TOPIC,
      (sender, { data }) => VERDICTS[this.#receive(data, sender.toString())],
    )
    this.#pubsub.addEventListener('subscription-change', this.#onSubscription)
    this.#pubsub.subscribe(TOPIC)
  }

  #receive(message: Uint8Array, from: string): Verdict {
    return this.#intake.takes(from, message.length) ? this.#table.receive(message, from) : 'ignore'
  }

  stop(): void {
    clearInterval(this.#refresh)
    clearTimeout(this.#newcomers)
    this.#own = undefined
    this.#pubsub.removeEventListener('subscription-change', this.#onSubscription)
    this.#pubsub.topicValidators.delete(TOPIC)
    this.#pubsub.unsubscribe(TOPIC)
  }

  /** Tells an offer now, and again in time; `own` is asked each time. */
  async announce(own: () => Uint8Array): Promise<void> {
    this.#own = own
    clearInterval(this.#refresh)
    this.#refresh = setInterval(() => void this.publish(), REFRESH_MS)
    this.#refresh.unref()
    await this.publish()
  }

  async publish(): Promise<void> {
    if (this.#own === undefined) return
    try {
      const message = this.#own()
      this.#table.receive(message)
      await this.#pubsub.publish(TOPIC, message)
    } catch (error) {
      this.#log.debug({ reason: String(error) }, 'the offer did not get through')
    }
  }
}

interface SubscriptionDetail {
  readonly subscriptions: readonly { readonly topic: string; readonly subscribe: boolean }[]
}
