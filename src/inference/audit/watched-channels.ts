/**
 * The channels that an auditor watches, as the chain tells of them. Bounded: what is closed and past its window goes; then
 * channels whose payees offer nothing now, the longest idle first; then those of the payees that have most, so that nobody
 * pushes out another's. One that had to go comes back when it is redeemed. Pure.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { ChannelEvents } from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { type WaitingRedemption, WatchedChannel, type WholeAnswer } from './watched-channel.js'

export interface WatchedChannelsOptions {
  readonly domain: TypedDomain
  /** Of one channel, by its payee. */
  readonly keptReceipts?: number | undefined
  /** For so long after the end of a channel its receipts are asked for. */
  readonly keptSeconds: number
  /** What a former run, or this one before it was let go, was told of it. @param channelId hex */
  readonly answered: (channelId: string) => WholeAnswer | undefined
  /** {@link MOST_CHANNELS} unless given. */
  readonly most?: number | undefined
  /** Receipts of all of them; {@link MOST_RECEIPTS} unless given. */
  readonly mostReceipts?: number | undefined
}

/** Some 600 bytes each while nothing is new. */
const MOST_CHANNELS = 10_000
/** One to four kilobytes each: whoever has channels can sign thousands a minute. */
const MOST_RECEIPTS = 200_000

export class WatchedChannels {
  readonly #options: WatchedChannelsOptions
  readonly #most: number
  /** By id, hex. */
  readonly #channels = new Map<string, WatchedChannel>()

  constructor(options: WatchedChannelsOptions) {
    this.#options = options
    this.#most = options.most ?? MOST_CHANNELS
  }

  get size(): number {
    return this.#channels.size
  }

  /** By id, hex. */
  get all(): ReadonlyMap<string, WatchedChannel> {
    return this.#channels
  }

  byPayee(): ReadonlyMap<Address, readonly WatchedChannel[]> {
    const payees = new Map<Address, WatchedChannel[]>()
    for (const channel of this.#channels.values()) {
      const own = payees.get(channel.payee)
      if (own === undefined) payees.set(channel.payee, [channel])
      else own.push(channel)
    }
    return payees
  }

  /**
   * What happened since the last call.
   * @param offering payees that offer anything now
   * @param now Unix seconds
   */
  watch(events: ChannelEvents, offering: ReadonlySet<Address>, now: number): void {
    const over = new Set(
      events.closed.filter(({ at }) => this.#isPast(at, now)).map(({ channelId }) => channelId),
    )
    for (const { channelId, payee } of events.opened) {
      if (over.has(channelId)) continue
      this.#add(channelId, payee, now)
      if (this.#channels.size >= 2 * this.#most) this.#makeRoom(offering)
    }
    for (const { channelId, at } of events.closed) {
      const channel = this.#channels.get(keyOf(channelId))
      if (channel !== undefined) channel.closedAt = at
    }
    for (const [id, channel] of this.#channels)
      if (channel.closedAt !== undefined && this.#isPast(channel.closedAt, now) && channel.isIdle)
        this.#channels.delete(id)
    this.#makeRoom(offering)
  }

  redeemed(channelId: `0x${string}`, payee: Address, redemption: WaitingRedemption): void {
    const channel = this.#channels.get(keyOf(channelId)) ?? this.#add(channelId, payee, redemption.at)
    channel.redeemed(redemption)
  }

  /**
   * After receipts were taken: where there are more than can be held, of the payee that has most, the channels that have
   * most keep their newest alone, as many as each other.
   */
  boundReceipts(): void {
    const { mostReceipts = MOST_RECEIPTS } = this.#options
    for (;;) {
      let over = -mostReceipts
      for (const { held } of this.#channels.values()) over += held
      if (over <= 0) return
      const [most = []] = [...this.byPayee().values()].toSorted((a, b) => heldOf(b) - heldOf(a))
      // At most half at once, since another payee may have most by then.
      this.#keepLevel(most, Math.max(0, heldOf(most) - Math.min(over, Math.ceil(heldOf(most) / 2))))
    }
  }

  #keepLevel(channels: readonly WatchedChannel[], most: number): void {
    let room = most
    for (const [i, channel] of [...channels].sort((a, b) => a.held - b.held).entries()) {
      const kept = Math.min(channel.held, Math.floor(room / (channels.length - i)))
      room -= kept
      channel.keepNewest(kept)
    }
  }

  #add(channelId: `0x${string}`, payee: Address, now: number): WatchedChannel {
    const { domain, keptReceipts, answered } = this.#options
    const id = Uint8Array.from(Buffer.from(keyOf(channelId), 'hex'))
    const channel = new WatchedChannel(id, payee, domain, keptReceipts, answered(keyOf(channelId)))
    channel.activeAt = now
    this.#channels.set(bytesToHex(id), channel)
    return channel
  }

  #isPast(closedAt: number, now: number): boolean {
    return closedAt + this.#options.keptSeconds < now
  }

  #makeRoom(offering: ReadonlySet<Address>): void {
    if (this.#channels.size <= this.#most) return
    const payees = [...this.byPayee()]
    const room = this.#shareOut(
      payees.filter(([payee]) => offering.has(payee)).map(([, channels]) => channels),
      this.#most,
    )
    this.#shareOut(
      [payees.filter(([payee]) => !offering.has(payee)).flatMap(([, channels]) => channels)],
      room,
    )
  }

  /** Each group keeps what is most active, as many as the others, or as it has. @returns the room that is left */
  #shareOut(groups: readonly (readonly WatchedChannel[])[], most: number): number {
    let room = most
    const smallestFirst = [...groups].sort((a, b) => a.length - b.length)
    for (const [i, group] of smallestFirst.entries()) {
      const kept = Math.min(group.length, Math.floor(room / (groups.length - i)))
      room -= kept
      const idlest = [...group].sort((a, b) => a.activeAt - b.activeAt)
      for (const { channelId } of idlest.slice(0, group.length - kept))
        this.#channels.delete(bytesToHex(channelId))
    }
    return room
  }
}

const heldOf = (channels: readonly WatchedChannel[]): number =>
  channels.reduce((sum, { held }) => sum + held, 0)
const keyOf = (channelId: `0x${string}`): string => channelId.slice(2)
