/**
 * The auditor: watches every channel of its chain, asks the providers for their receipts, and for what belongs to those
 * that the beacon draws; runs these again. What a provider committed to and does not produce has failed as well. It pays
 * nobody and is paid by nobody here: its findings are signed and told.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { ChannelEvents } from '../../chain/index.js'
import { type Address, addressOfPublicKey } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { RECEIPTS_AT_ONCE, RECEIPTS_MESSAGE } from '../network/messages.js'
import type { Offer } from '../network/offer.js'
import { readReceipt, type SignedReceipt } from '../payment/index.js'
import { Asking, isRefusal, PATIENCE, type Patience } from './asking.js'
import { auditChain, isPossibleCount } from './chain-audit.js'
import { drawingRound, drawnFrom } from './drawing.js'
import { DrawnJobs, type DrawnJobsModules } from './drawn-jobs.js'
import { LastAnswers } from './last-answers.js'
import { findMissing, type KnownProvider } from './missing.js'
import { Refusals } from './refusals.js'
import { isSampled } from './sampling.js'
import type { ShelfAuditModules } from './shelf-audit.js'
import { type WaitingReceipt, type WaitingRedemption, WatchedChannel } from './watched-channel.js'

export interface NetworkAuditModules
  extends Omit<DrawnJobsModules, 'patience' | 'refusals'>,
    Pick<ShelfAuditModules, 'randomness'> {
  /** {@link PATIENCE} unless given. */
  readonly patience?: Patience
  /** What a former run of this node was refused; in memory unless given. */
  readonly refusals?: Refusals
  /** What providers had shown a former run of this node; in memory unless given. */
  readonly answers?: LastAnswers
  /** Of one channel, by its payee: the default of its ledger unless given. */
  readonly keptReceipts?: number
  /** What happened on the chain since the last call. */
  readonly events: (signal: AbortSignal) => Promise<ChannelEvents>
  /** Providers that are known now. */
  readonly offers: () => readonly Offer[]
  /** What a former run of this node found. */
  readonly isFound: (channelId: Uint8Array, index: number) => boolean
}

/** How it went to ask a provider for the receipts of a channel. */
type Followed = 'whole' | 'more' | 'refused' | 'silent'

const MOST_CHANNELS = 10_000
/** Requests for receipts of one channel in a round: more come in the next. */
const MOST_REQUESTS = 20
/** Places of redemptions in a round: more are looked at in the next. */
const MOST_PLACES_AT_ONCE = 100_000
const ZERO = new Uint8Array(32)

export class NetworkAudit {
  readonly #modules: NetworkAuditModules
  readonly #patience: Patience
  readonly #channels = new Map<string, WatchedChannel>()
  readonly #drawn: DrawnJobs
  readonly #refusals: Refusals
  readonly #answers: LastAnswers
  /** That may still be looked at in this round. */
  #places = 0

  constructor(modules: NetworkAuditModules) {
    const { patience = PATIENCE, refusals = Refusals.passing(), answers = LastAnswers.passing() } = modules
    this.#modules = modules
    this.#patience = patience
    this.#refusals = refusals
    this.#answers = answers
    this.#drawn = new DrawnJobs({ ...modules, patience, refusals })
  }

  get channels(): number {
    return this.#channels.size
  }

  /** Everything that can be done now. @throws UserError where the chain or the beacon is not reached */
  async round(signal: AbortSignal): Promise<void> {
    await this.#readChain(signal)
    this.#places = MOST_PLACES_AT_ONCE
    const providers = this.#providers()
    for (const channel of this.#channels.values()) {
      const provider = providers.get(channel.payee)
      if (provider === undefined) continue
      const followed = await this.#follow(channel, provider, signal)
      await this.#draw(channel, signal)
      await this.#checkRedemptions(channel, provider, followed, signal)
    }
    try {
      await this.#drawn.audit(providers, signal)
    } finally {
      await this.#refusals.keep(this.#asked(), this.#now())
      await this.#answers.keep(this.#channels, this.#now())
    }
  }

  *#asked(): Iterable<readonly [string, Asking]> {
    yield* this.#drawn.asked()
    for (const { channelId, redemptions } of this.#channels.values())
      for (const { receipts, asking } of redemptions)
        yield [redemptionKey(bytesToHex(channelId), receipts), asking]
  }

  async #readChain(signal: AbortSignal): Promise<void> {
    const { events, domain, keptReceipts, log } = this.#modules
    const { opened, redeemed } = await events(signal)
    for (const { channelId, payee } of opened) {
      const id = bytesOf(channelId)
      const whole = this.#answers.of(bytesToHex(id), this.#now())
      if (this.#channels.size < MOST_CHANNELS)
        this.#channels.set(bytesToHex(id), new WatchedChannel(id, payee, domain, keptReceipts, whole))
    }
    for (const { channelId, receipts, receiptsHead, at } of redeemed) {
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
        this.#channels
          .get(channelId.slice(2))
          ?.redeemed({ receipts, receiptsHead: bytesOf(receiptsHead), at, asking })
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

  /** Takes what the provider gives after what is known. */
  async #follow(channel: WatchedChannel, provider: KnownProvider, signal: AbortSignal): Promise<Followed> {
    const { host, log, beacon } = this.#modules
    const isOpen = ({ issuedAt }: SignedReceipt): boolean => this.#now() < drawnFrom(beacon, issuedAt)
    try {
      for (let request = 0; request < MOST_REQUESTS; request++) {
        const askedAt = this.#now()
        const { receipts } = await host.request(
          provider.target,
          RECEIPTS_MESSAGE,
          { channelId: channel.channelId, from: channel.next },
          { signal },
        )
        const read = receipts.map((each) => readReceipt(each))
        if (channel.take(read, isOpen) < RECEIPTS_AT_ONCE) {
          channel.isWhole(askedAt)
          return 'whole'
        }
      }
      return 'more'
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof UserError)) throw error
      log.debug({ provider: provider.name, reason: error.message }, 'a provider gave no receipts')
      return isRefusal(error) ? 'refused' : 'silent'
    }
  }

  async #draw(channel: WatchedChannel, signal: AbortSignal): Promise<void> {
    const { beacon, randomness, isFound } = this.#modules
    const { channelId, payee } = channel
    const decided = new Set<WaitingReceipt>()
    try {
      for (const each of channel.due(({ issuedAt }) => drawnFrom(beacon, issuedAt) <= this.#now())) {
        const { issuedAt, index } = each.receipt
        const isOld = !each.isHidden && new Asking(issuedAt, this.#patience).isOver(this.#now())
        // What was refused to a former run until its time was over is judged by this one.
        const isRefused = this.#refusals.before(bytesToHex(each.digest)) !== undefined
        if ((!isOld || isRefused) && !isFound(channelId, index)) {
          const drawn = await randomness(drawingRound(beacon, issuedAt), signal)
          if (isSampled(drawn, each.digest)) this.#drawn.add(each, payee)
        }
        decided.add(each)
      }
    } finally {
      // What a beacon that is away leaves open waits.
      channel.drop(decided)
    }
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
      const isGiven = followed === 'whole' || channel.next > redemption.receipts
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
    const { beacon, randomness, domain, isFound } = this.#modules
    const { channelId, payee } = channel
    const { receipts, receiptsHead, at } = redemption
    const { from, produced } = channel.committed(redemption)
    const places = Math.max(0, receipts - from + 1)
    if (places > this.#places) return undefined
    const round = drawingRound(beacon, at)
    const { missing } = auditChain(
      { domain, payee },
      { channelId, receipts, receiptsHead },
      produced,
      await randomness(round, signal),
      { from },
    )
    const reason = (index: number) =>
      `the provider does not produce receipt ${index} of ${receipts} that it was paid for`
    for (const index of missing)
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

/** A later redemption of a channel commits to more receipts, or to the same again. */
const redemptionKey = (channelId: string, receipts: number): string => `${channelId}/${receipts}`

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.slice(2), 'hex'))
