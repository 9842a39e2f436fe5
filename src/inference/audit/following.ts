/**
 * An auditor asks a provider what is new in the channels of its custom: many in one request, those that it asked for the
 * longest time ago first, and no more requests than the provider answers: whoever asks more learns less.
 */
import { UserError } from '../../errors.js'
import type { Host } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { CHANNELS_AT_ONCE, RECEIPTS_AT_ONCE, RECEIPTS_IN_ALL, RECEIPTS_MESSAGE } from '../network/messages.js'
import { readReceipt, type SignedReceipt } from '../payment/index.js'
import { isRefusal } from './asking.js'
import type { KnownProvider } from './missing.js'
import type { WatchedChannel } from './watched-channel.js'

/** How it went to ask for the receipts of a channel; what is not asked for in a round is not mentioned. */
export type Followed = 'whole' | 'more' | 'refused' | 'silent'

export interface FollowingModules {
  readonly host: Pick<Host, 'request'>
  readonly log: Logger
  /** Unix milliseconds. */
  readonly now: () => number
  /** Whether this node has a seat among the challengers: whoever sells owes it receipts then. */
  readonly isSeated: () => Promise<boolean>
  /** Whether a job's round lies ahead. */
  readonly isOpen: (job: SignedReceipt) => boolean
}

/**
 * Of one provider in a round: its channels that have more come in the next. A provider answers 20 at once and two a second,
 * and rounds are ten periods of a beacon apart.
 */
const MOST_REQUESTS = 18

export class Following {
  readonly #modules: FollowingModules
  /** Who does not take this node for an auditor is told to its operator once. */
  readonly #denied = new Set<string>()

  constructor(modules: FollowingModules) {
    this.#modules = modules
  }

  /** @param isOver whether the provider has had its turn: what is left comes in the next */
  async follow(
    provider: KnownProvider,
    channels: readonly WatchedChannel[],
    signal: AbortSignal,
    isOver: () => boolean = () => false,
  ): Promise<ReadonlyMap<WatchedChannel, Followed>> {
    const followed = new Map<WatchedChannel, Followed>()
    let waiting = [...channels].sort((a, b) => a.askedAt - b.askedAt)
    for (let request = 0; request < MOST_REQUESTS && waiting.length > 0 && !isOver(); request++) {
      const asked = waiting.slice(0, CHANNELS_AT_ONCE)
      waiting = waiting.slice(CHANNELS_AT_ONCE)
      for (const channel of asked) channel.askedAt = this.#modules.now() / 1000
      const outcome = await this.#ask(provider, asked, followed, signal)
      if (outcome === 'stop') break
      waiting.push(...outcome)
    }
    return followed
  }

  /** @returns those that have more, or did not find room in the answer; 'stop' where nothing more is to be asked now */
  async #ask(
    provider: KnownProvider,
    asked: readonly WatchedChannel[],
    followed: Map<WatchedChannel, Followed>,
    signal: AbortSignal,
  ): Promise<readonly WatchedChannel[] | 'stop'> {
    const { host, log, now, isSeated } = this.#modules
    const askedAt = now() / 1000
    const request = { channels: asked.map(({ channelId, next }) => ({ channelId, from: next })) }
    try {
      const { answers } = await host.request(provider.target, RECEIPTS_MESSAGE, request, { signal })
      const read = answers.map(({ receipts }) => receipts?.map((each) => readReceipt(each)))
      return this.#take(asked, read, askedAt, followed)
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof UserError)) throw error
      log.debug({ provider: provider.name, reason: error.message }, 'a provider gave no receipts')
      // Nobody owes a stranger anything.
      const isStranger = error.code === 'DENIED' && !(await isSeated())
      if (isStranger && !this.#denied.has(provider.name)) {
        this.#denied.add(provider.name)
        log.warn({ provider: provider.name, reason: error.message }, 'a provider gives this node no receipts')
      }
      const isRefused = isRefusal(error) && !isStranger
      for (const channel of asked) followed.set(channel, isRefused ? 'refused' : 'silent')
      return isRefused ? [] : 'stop'
    }
  }

  #take(
    asked: readonly WatchedChannel[],
    answers: readonly (readonly SignedReceipt[] | undefined)[],
    askedAt: number,
    followed: Map<WatchedChannel, Followed>,
  ): readonly WatchedChannel[] {
    const more: WatchedChannel[] = []
    const given = answers.reduce((sum, receipts) => sum + (receipts?.length ?? 0), 0)
    for (const [i, channel] of asked.entries()) {
      const receipts = answers[i]
      if (i >= answers.length) {
        // Who leaves channels out though there was room keeps them back.
        if (given + RECEIPTS_AT_ONCE > RECEIPTS_IN_ALL) more.push(channel)
        else followed.set(channel, 'refused')
        continue
      }
      const taken = channel.take(receipts ?? [], this.#modules.isOpen)
      if (taken > 0) channel.activeAt = askedAt
      if (taken >= RECEIPTS_AT_ONCE) {
        followed.set(channel, 'more')
        more.push(channel)
        continue
      }
      // Who does not know a channel has no receipt of it: neither now nor, of this time, later.
      channel.isWhole(askedAt)
      followed.set(channel, receipts === undefined ? 'refused' : 'whole')
    }
    return more
  }
}
