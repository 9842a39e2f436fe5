/**
 * The auditor: watches every channel of its chain, asks the providers for their receipts, and for what belongs to those
 * that the beacon draws; runs these again. What a provider committed to and does not produce has failed as well. It pays
 * nobody and is paid by nobody here: its findings are signed and told.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { ChannelEvents } from '../../chain/index.js'
import { type Address, addressOfPublicKey } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import type { Offer } from '../network/offer.js'
import { Asking, PATIENCE, type Patience } from './asking.js'
import { auditChain, isPossibleCount } from './chain-audit.js'
import { isContradicted } from './contradiction.js'
import { Contradictions } from './contradictions.js'
import { drawingRound, drawnFrom } from './drawing.js'
import { DrawnJobs, type DrawnJobsModules } from './drawn-jobs.js'
import { type Followed, Following } from './following.js'
import { LastAnswers } from './last-answers.js'
import { findContradicted, findMissing, type KnownProvider } from './missing.js'
import { Refusals } from './refusals.js'
import { isSampled, lowestDrawn } from './sampling.js'
import type { ShelfAuditModules } from './shelf-audit.js'
import type { WaitingReceipt, WaitingRedemption, WatchedChannel } from './watched-channel.js'
import { WatchedChannels } from './watched-channels.js'

export interface NetworkAuditModules
  extends Omit<DrawnJobsModules, 'patience' | 'refusals'>,
    Pick<ShelfAuditModules, 'randomness'> {
  /** {@link PATIENCE} unless given. */
  readonly patience?: Patience
  /** What a former run of this node was refused; in memory unless given. */
  readonly refusals?: Refusals
  /** What providers had shown a former run of this node; in memory unless given. */
  readonly answers?: LastAnswers
  /** What providers signed against their own redemptions; in memory unless given. */
  readonly contradictions?: Contradictions
  /** Of one channel, by its payee: the default of its ledger unless given. */
  readonly keptReceipts?: number
  /** That are watched; the default of {@link WatchedChannels} unless given. */
  readonly mostChannels?: number
  /** When the newest block of the chain was made, Unix seconds; not asked unless given. */
  readonly chainTime?: () => Promise<number>
  /** What happened on the chain since the last call. */
  readonly events: (signal: AbortSignal) => Promise<ChannelEvents>
  /** Providers that are known now. */
  readonly offers: () => readonly Offer[]
}

/** Asked for receipts beside each other: an answer may be kept back for as long as an exchange lasts. */
const PROVIDERS_AT_ONCE = 16
/** Of one provider in a round, for its receipts and again for their draws, and of all: who had no turn begins the next. */
const MOST_PROVIDER_MS = 30_000
const MOST_PROVIDERS_MS = 600_000
/**
 * A block is never dated much ahead: by a clock so much behind it evidence is asked for that need not be kept any more. It is
 * kept for a day, and asked for a good hour and a half less.
 */
const MOST_BEHIND_SECONDS = 3600
/** Places of redemptions in a round: more are looked at in the next. */
const MOST_PLACES_AT_ONCE = 100_000
/** Of one redemption: one convicts, and hundreds would leave no room for what others did. */
const MOST_MISSING = 3
const ZERO = new Uint8Array(32)

export class NetworkAudit {
  readonly #modules: NetworkAuditModules
  readonly #patience: Patience
  readonly #channels: WatchedChannels
  readonly #following: Following
  readonly #drawn: DrawnJobs
  readonly #refusals: Refusals
  readonly #answers: LastAnswers
  readonly #contradictions: Contradictions
  /** Redemptions whose contradiction was told. */
  readonly #told = new WeakSet<WaitingRedemption>()
  /** Drawn jobs that wait with their channel. */
  readonly #withoutRoom = new WeakSet<WaitingReceipt>()
  /** That may still be looked at in this round. */
  #places = 0

  constructor(modules: NetworkAuditModules) {
    const { patience = PATIENCE, refusals = Refusals.passing(), answers = LastAnswers.passing() } = modules
    this.#modules = modules
    this.#patience = patience
    this.#refusals = refusals
    this.#answers = answers
    this.#contradictions = modules.contradictions ?? Contradictions.passing()
    const { domain, keptReceipts, mostChannels, beacon } = modules
    this.#channels = new WatchedChannels({
      ...{ domain, keptReceipts, keptSeconds: patience.keptSeconds, most: mostChannels },
      answered: (channelId) => answers.of(channelId, this.#now()),
    })
    this.#following = new Following({
      ...modules,
      isOpen: ({ issuedAt }) => this.#now() < drawnFrom(beacon, issuedAt),
    })
    this.#drawn = new DrawnJobs({ ...modules, patience, refusals })
  }

  get channels(): number {
    return this.#channels.size
  }

  /** Everything that can be done now. @throws UserError where the chain or the beacon is not reached, or the clock is wrong */
  async round(signal: AbortSignal): Promise<void> {
    await this.#requireClock()
    const providers = this.#providers()
    await this.#readChain(new Set(providers.keys()), signal)
    this.#places = MOST_PLACES_AT_ONCE
    const problem = await this.#followAll(providers, signal)
    try {
      await this.#drawn.audit(providers, signal)
    } finally {
      await this.#refusals.keep(this.#asked(), this.#now())
      await this.#answers.keep(this.#channels.all, this.#now())
    }
    if (problem !== undefined) throw problem
  }

  /**
   * Some at once, those first that were asked the longest time ago: who answers slowly, or shows what takes long to draw,
   * takes time from itself alone.
   * @returns why some were not followed to the end: that of one provider ends nobody else's turn
   */
  async #followAll(
    providers: ReadonlyMap<Address, KnownProvider>,
    signal: AbortSignal,
  ): Promise<UserError | undefined> {
    const { elapsedMs = () => performance.now() } = this.#modules
    const begunMs = elapsedMs()
    const waiting = [...this.#channels.byPayee()]
      .flatMap(([payee, channels]) => {
        const provider = providers.get(payee)
        return provider === undefined ? [] : [{ provider, channels, askedAt: lastAsked(channels) }]
      })
      .sort((a, b) => a.askedAt - b.askedAt)
      .values()
    let problem: UserError | undefined
    const work = async (): Promise<void> => {
      for (const { provider, channels } of waiting) {
        if (elapsedMs() - begunMs >= MOST_PROVIDERS_MS) return
        try {
          await this.#followOne(provider, channels, signal)
        } catch (error) {
          signal.throwIfAborted()
          if (!(error instanceof UserError)) throw error
          problem ??= error
        }
      }
    }
    // All of them end before the round does, also where one fails.
    for (const ended of await Promise.allSettled(Array.from({ length: PROVIDERS_AT_ONCE }, work)))
      if (ended.status === 'rejected') throw ended.reason
    return problem
  }

  async #followOne(
    provider: KnownProvider,
    channels: readonly WatchedChannel[],
    signal: AbortSignal,
  ): Promise<void> {
    const { elapsedMs = () => performance.now() } = this.#modules
    const turn = (): (() => boolean) => {
      const begunMs = elapsedMs()
      return () => elapsedMs() - begunMs >= MOST_PROVIDER_MS
    }
    const followed = await this.#following.follow(provider, channels, signal, turn())
    this.#channels.boundReceipts()
    // Slow answers put no draw off.
    const isDrawingOver = turn()
    // Who had no turn the last time begins.
    for (const channel of [...channels].sort((a, b) => a.drawnAt - b.drawnAt)) {
      await this.#draw(channel, isDrawingOver, signal)
      for (const redemption of channel.redemptions) await this.#compare(channel, provider, redemption)
      await this.#checkRedemptions(channel, provider, followed.get(channel) ?? 'silent', signal)
    }
  }

  *#asked(): Iterable<readonly [string, Asking]> {
    yield* this.#drawn.asked()
    for (const { channelId, redemptions } of this.#channels.all.values())
      for (const { receipts, asking } of redemptions)
        yield [redemptionKey(bytesToHex(channelId), receipts), asking]
  }

  /** @throws UserError WRONG_CLOCK */
  async #requireClock(): Promise<void> {
    const chainTime = await this.#modules.chainTime?.()
    const behind = chainTime === undefined ? 0 : Math.floor(chainTime - this.#now())
    if (behind <= MOST_BEHIND_SECONDS) return
    throw new UserError(`this clock is ${behind} s behind the chain: providers would be blamed for it`, {
      code: 'WRONG_CLOCK',
      remedy: 'set it, and see plumbline doctor',
    })
  }

  async #readChain(offering: ReadonlySet<Address>, signal: AbortSignal): Promise<void> {
    const { events, log } = this.#modules
    const found = await events(signal)
    this.#channels.watch(found, offering, this.#now())
    for (const { channelId, payee, receipts, receiptsHead, at } of found.redeemed) {
      if (!isPossibleCount(receipts)) {
        log.warn(
          { channelId },
          'a channel was redeemed with an impossible number of receipts: nobody is held to it',
        )
        continue
      }
      const before = this.#refusals.before(redemptionKey(channelId.slice(2), receipts))
      const asking = new Asking(at, this.#patience, before)
      if (!asking.isOver(this.#now()) || before !== undefined)
        this.#channels.redeemed(channelId, payee, {
          receipts,
          receiptsHead: bytesOf(receiptsHead),
          at,
          asking,
        })
    }
  }

  #providers(): ReadonlyMap<Address, KnownProvider> {
    return new Map(
      this.#modules
        .offers()
        .map(({ peerId, publicKey, addresses }) => [
          addressOfPublicKey(publicKey),
          { target: { peerId, addresses }, publicKey, name: `provider ..${peerId.slice(-8)}` },
        ]),
    )
  }

  /** @param isOver whether its provider has had its turn: what is left waits for the next */
  async #draw(channel: WatchedChannel, isOver: () => boolean, signal: AbortSignal): Promise<void> {
    const { beacon, randomness, isFound, log } = this.#modules
    const { channelId, payee } = channel
    const decided = new Set<WaitingReceipt>()
    let unaudited = 0
    try {
      for (const each of channel.due(({ issuedAt }) => drawnFrom(beacon, issuedAt) <= this.#now())) {
        const { issuedAt, index } = each.receipt
        const isOld = !each.isHidden && new Asking(issuedAt, this.#patience).isOver(this.#now())
        // What was refused to a former run until its time was over is judged by this one.
        const isRefused = this.#refusals.before(bytesToHex(each.digest)) !== undefined
        if ((!isOld || isRefused) && !isFound(channelId, index, each.digest)) {
          if (isOver()) break
          channel.drawnAt = this.#now()
          const drawn = await randomness(drawingRound(beacon, issuedAt), signal)
          if (isSampled(drawn, each.digest) && !this.#drawn.add(each, payee)) {
            this.#withoutRoom.add(each)
            continue
          }
        } else if (this.#withoutRoom.has(each)) unaudited++
        decided.add(each)
      }
    } finally {
      // What a beacon that is away leaves open waits, and what was drawn and found no room.
      channel.drop(decided)
      if (unaudited > 0)
        log.warn({ payee, jobs: unaudited }, 'drawn jobs found no room until they were too old')
    }
  }

  /** Who shows another receipt than the one that its redemption names is blamed without a draw: it signed both. */
  async #compare(
    channel: WatchedChannel,
    provider: KnownProvider,
    redemption: WaitingRedemption,
  ): Promise<void> {
    const { domain, beacon } = this.#modules
    const { channelId, payee } = channel
    const { receipts, receiptsHead, at } = redemption
    const receipt = channel.given(receipts)
    if (receipt === undefined || this.#told.has(redemption) || this.#contradictions.has(channelId)) return
    if (!isContradicted({ domain, payee }, { channelId, receipts, receiptsHead }, receipt)) return
    const evidence = { provider: provider.publicKey, domain, receipt, receiptsHead }
    await findContradicted(this.#modules, provider, evidence, drawingRound(beacon, at))
    this.#told.add(redemption)
    await this.#contradictions.keep(evidence)
  }

  /** What was committed to must be there: places are drawn by a round after the redemption. */
  async #checkRedemptions(
    channel: WatchedChannel,
    provider: KnownProvider,
    followed: Followed,
    signal: AbortSignal,
  ): Promise<void> {
    for (
      let redemption = channel.redemptions[0];
      redemption !== undefined;
      redemption = channel.redemptions[0]
    ) {
      const now = this.#now()
      if (drawnFrom(this.#modules.beacon, redemption.at) > now) return
      const { asking } = redemption
      if (followed === 'refused' && asking.isDue(now)) asking.refused(now)
      const isOver = asking.isOver(now)
      // Receipts that go on and on put nothing off.
      const isGiven = followed === 'whole' || channel.isReached(redemption)
      if (!isGiven && !isOver) return
      if (isGiven || asking.isWithheld) {
        const places = await this.#check(channel, provider, redemption, signal)
        if (places === undefined) return
        this.#places -= places
      }
      channel.settle(redemption)
      channel.redemptions.shift()
    }
  }

  /** How many places were looked at; undefined where there are too many for this round. */
  async #check(
    channel: WatchedChannel,
    provider: KnownProvider,
    redemption: WaitingRedemption,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { beacon, randomness, domain, isFound, log } = this.#modules
    const { channelId } = channel
    const { receipts, receiptsHead, at } = redemption
    const { from, produced } = channel.committed(redemption)
    const places = Math.max(0, receipts - from + 1)
    if (places > this.#places) return undefined
    const round = drawingRound(beacon, at)
    const drawn = await randomness(round, signal)
    const { missing } = auditChain({ domain }, { channelId, receipts, receiptsHead }, produced, drawn, {
      from,
    })
    const told = lowestDrawn(drawn, channelId, missing, MOST_MISSING)
    if (missing.length > told.length) {
      const counts = { receipts, missing: missing.length, told: told.length }
      log.warn(
        { provider: provider.name, ...counts },
        'more is missing of a redemption than is told: a few convict',
      )
    }
    const reason = (index: number) =>
      `the provider does not produce receipt ${index} of ${receipts} that it was paid for`
    for (const index of told)
      if (!isFound(channelId, index))
        await findMissing(this.#modules, provider, {
          ...{ channelId, index, receipt: ZERO, round },
          reason: reason(index),
        })
    return places
  }

  /** Unix seconds. */
  #now(): number {
    return this.#modules.now() / 1000
  }
}

/** 0 where it never was. */
const lastAsked = (channels: readonly WatchedChannel[]): number =>
  channels.reduce((last, { askedAt }) => Math.max(last, askedAt), 0)

/** A later redemption of a channel commits to more receipts, or to the same again. */
const redemptionKey = (channelId: string, receipts: number): string => `${channelId}/${receipts}`

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.slice(2), 'hex'))
