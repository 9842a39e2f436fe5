/** Findings over gossip: an auditor tells its own, and again to newcomers; everybody keeps those of auditors it trusts. */
import { type GossipSub, TopicValidatorResult } from '@libp2p/gossipsub'
import { bytesToHex } from '@noble/hashes/utils.js'
import { UserError } from '../../errors.js'
import { type Host, FINDINGS_TOPIC as TOPIC } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { CLOCK_SLACK_SECONDS, type Finding, readFinding } from './finding.js'
import type { FindingsBook } from './findings-book.js'
import { MOST_AN_HOUR, Telling } from './telling.js'

export interface FindingsGossipModules {
  readonly host: Host
  readonly book: FindingsBook
  /** Whose findings are told. */
  readonly own: Uint8Array
  readonly log: Logger
}

const NEWCOMERS_MS = 2000
/** Told again to those who begin to listen: the newest. */
const TOLD_AGAIN = 50
/**
 * Behind a finding stands when it was told, in milliseconds: gossip carries the same bytes once, and newcomers would hear
 * nothing of what others have heard.
 */
const TOLD_AT_BYTES = 8
/** What is older is passed on by nobody: an old finding is asked for, not shouted. */
const MOST_AGE_SECONDS = 7 * 86_400
const HOUR_MS = 3600_000
const MOST_AUDITORS = 10_000

export class FindingsGossip {
  readonly #modules: FindingsGossipModules
  readonly #pubsub: GossipSub
  /** Findings of each auditor in this hour. */
  readonly #heard = new Map<string, number>()
  #hour = 0
  readonly #telling = new Telling()
  #newcomers: NodeJS.Timeout | undefined

  constructor(modules: FindingsGossipModules) {
    this.#modules = modules
    this.#pubsub = modules.host.node.services.pubsub
  }

  readonly #onSubscription = ({ detail }: { readonly detail: SubscriptionDetail }): void => {
    if (!detail.subscriptions.some(({ topic, subscribe }) => topic === TOPIC && subscribe)) return
    this.#newcomers ??= setTimeout(() => {
      this.#newcomers = undefined
      void this.#tellAgain()
    }, NEWCOMERS_MS)
    this.#newcomers.unref()
  }

  start(): void {
    this.#pubsub.topicValidators.set(TOPIC, (_sender, { data }) => this.#judge(data.slice()))
    this.#pubsub.addEventListener('subscription-change', this.#onSubscription)
    this.#pubsub.subscribe(TOPIC)
  }

  stop(): void {
    clearTimeout(this.#newcomers)
    this.#pubsub.removeEventListener('subscription-change', this.#onSubscription)
    this.#pubsub.topicValidators.delete(TOPIC)
    this.#pubsub.unsubscribe(TOPIC)
  }

  /** A new finding: to all who listen, unless enough is told of its provider in this hour. */
  async publish(message: Uint8Array): Promise<void> {
    const finding = readFinding(message)
    const isContested = this.#modules.book.isBlamed(finding)
    if (this.#telling.isTold(finding, Date.now(), isContested)) await this.#tell(message)
  }

  async #tell(message: Uint8Array): Promise<void> {
    try {
      await this.#pubsub.publish(TOPIC, withTime(message))
    } catch (error) {
      this.#modules.log.debug({ reason: String(error) }, 'a finding did not get through')
    }
  }

  async #tellAgain(): Promise<void> {
    const { book, own } = this.#modules
    await book.refresh().catch(() => undefined)
    for (const message of book.messagesOf(own, TOLD_AGAIN))
      if (this.#telling.isToldAgain(Date.now())) await this.#tell(message)
  }

  #judge(told: Uint8Array): TopicValidatorResult {
    if (told.length <= TOLD_AT_BYTES) return TopicValidatorResult.Reject
    const message = told.slice(0, -TOLD_AT_BYTES)
    const toldAgoSeconds = (Date.now() - timeOf(told)) / 1000
    if (Math.abs(toldAgoSeconds) > CLOCK_SLACK_SECONDS) return TopicValidatorResult.Ignore
    let finding: Finding
    try {
      finding = readFinding(message)
    } catch (error) {
      if (error instanceof UserError) return TopicValidatorResult.Reject
      throw error
    }
    const now = Date.now()
    const ageSeconds = now / 1000 - finding.at
    if (ageSeconds > MOST_AGE_SECONDS || ageSeconds < -CLOCK_SLACK_SECONDS) return TopicValidatorResult.Ignore
    if (!this.#mayTell(bytesToHex(finding.auditor), Math.floor(now / HOUR_MS)))
      return TopicValidatorResult.Ignore
    const { book, log } = this.#modules
    book.add(message).catch((error: unknown) => log.warn({ reason: String(error) }, 'a finding was not kept'))
    return TopicValidatorResult.Accept
  }

  #mayTell(auditor: string, hour: number): boolean {
    if (hour !== this.#hour) {
      this.#hour = hour
      this.#heard.clear()
    }
    const count = this.#heard.get(auditor) ?? 0
    if (count >= MOST_AN_HOUR || (count === 0 && this.#heard.size >= MOST_AUDITORS)) return false
    this.#heard.set(auditor, count + 1)
    return true
  }
}

function withTime(message: Uint8Array): Uint8Array {
  const told = new Uint8Array(message.length + TOLD_AT_BYTES)
  told.set(message)
  new DataView(told.buffer).setBigUint64(message.length, BigInt(Date.now()))
  return told
}

function timeOf(told: Uint8Array): number {
  const view = new DataView(told.buffer, told.byteOffset, told.byteLength)
  return Number(view.getBigUint64(told.length - TOLD_AT_BYTES))
}

interface SubscriptionDetail {
  readonly subscriptions: readonly { readonly topic: string; readonly subscribe: boolean }[]
}
