/** Money into channels: opened, topped up, and taken into the ledger as the chain has them. */
import {
  type Chain,
  type ChannelState,
  formatEther,
  openChannel,
  readChannel,
  topUpChannel,
} from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import { type ErrorCode, UserError } from '../../errors.js'
import type { Logger } from '../../telemetry/logger.js'
import type { OfferContent } from '../network/offer.js'
import { type ChannelTerms, openingIdOf, type Payer, type PayerAccount, payerFree } from '../payment/index.js'
import { largest, smallest } from '../payment/wei.js'
import type { Claims } from './claims.js'
import { type Locked, requireDeposit } from './locked.js'
import type { Openings } from './openings.js'
import { takeBack } from './refunds.js'
import { FRESH_MS, type UnkeptChannels } from './unkept-channels.js'

export interface FundingOptions {
  /** Locked in a new channel, and added to one that runs dry. */
  readonly depositWei: bigint
  readonly lifeSeconds: number
}

export interface FundingModules {
  readonly chain: Chain
  readonly payer: Payer
  /** The client's own. */
  readonly address: Address
  readonly log: Logger
  readonly claims: Claims
  readonly money: Locked
  readonly openings: Openings
  readonly unkept: UnkeptChannels
  /** Told before money is locked. */
  readonly onLock?:
    | ((what: { readonly payee: Address; readonly amountWei: bigint; readonly isNew: boolean }) => void)
    | undefined
}

/** What a provider's offer says of payments. */
export type OfferedPayment = NonNullable<OfferContent['payment']>

/** A channel that ends sooner is given a later end before a job. */
const LEAST_REMAINING_SECONDS = 3600
/** Of an opening that failed: no transaction of it will be mined. */
const NOT_SENT: ReadonlySet<ErrorCode> = new Set(['BAD_KEY', 'BUSY', 'DENIED', 'EXISTS'])
/** Beyond the challenge period, which a channel must outlive. */
const DEVELOPMENT_SLACK_SECONDS = 60

/** Its caller sees to one step at a time for each payee. */
export class Funding {
  readonly #options: FundingOptions
  readonly #modules: FundingModules
  /** When money was locked last, monotonic milliseconds. */
  readonly #locked = new Map<Address, number>()

  constructor(options: FundingOptions, modules: FundingModules) {
    this.#options = options
    this.#modules = modules
  }

  /** Whether a channel with a payee was opened or topped up a moment ago. */
  isFresh(payee: Address): boolean {
    return performance.now() - (this.#locked.get(payee) ?? Number.NEGATIVE_INFINITY) < FRESH_MS
  }

  /** Whether a job of that price has room in it, and time. */
  suffices(account: PayerAccount, priceWei: bigint): boolean {
    return this.#freeWei(account) >= priceWei && account.endsAt - Date.now() / 1000 >= this.#leastRemaining()
  }

  /** Takes an open channel into the ledger where it is this ledger's own. @returns why it is not, and ends then */
  async adopt(state: ChannelState, signal?: AbortSignal): Promise<UserError | undefined> {
    if (!this.#modules.unkept.isOwn(state)) return this.#modules.unkept.giveUp(state, { signal })
    await this.#take(state.payee, { ...state, channelId: openingIdOf(state) })
    await this.#modules.unkept.settled(openingIdOf(state))
    return undefined
  }

  /**
   * One step towards room for a job: opens a channel, takes one up that is open, tops it up or gives it a later end.
   * @throws UserError DENIED where the deposit may not be as large as the provider or the job asks, or the channel is not
   *   this ledger's own; chain errors
   */
  async prepare(payee: Address, priceWei: bigint, offered: OfferedPayment): Promise<void> {
    const { chain, payer, address } = this.#modules
    const state = await readChannel(chain, { payer: address, payee })
    if (!state.isOpen) return this.#open(payee, priceWei, offered, state)
    if (state.endsAt <= (await chain.clock()).timestamp) {
      // The provider may have forgotten it: a later end would not bring it back.
      await takeBack(this.#modules, { payee, channelId: openingIdOf(state) })
      return this.#open(payee, priceWei, offered, state)
    }
    const refusal = await this.adopt(state)
    if (refusal !== undefined) throw refusal
    const account = payer.account(openingIdOf(state))
    if (!this.suffices(account, priceWei)) await this.#topUp(payee, account, priceWei)
  }

  async #open(
    payee: Address,
    priceWei: bigint,
    offered: OfferedPayment,
    before: ChannelState,
  ): Promise<void> {
    const { chain, onLock, log } = this.#modules
    const { depositWei } = this.#options
    requireDeposit(depositWei, largest(priceWei, offered.leastDepositWei))
    await this.#modules.unkept.forgetLost(payee, before, this.#modules.openings.openedAt(payee))
    await this.#modules.money.during(depositWei, async () => {
      const endsAt = await this.#end()
      await this.#modules.openings.add(payee)
      const undo = await this.#modules.unkept.begin(payee, before)
      onLock?.({ payee, amountWei: depositWei, isNew: true })
      const opened = await openChannel(chain, { payee, depositWei, endsAt }).catch(async (error: unknown) => {
        // What may have been sent may still be mined: it counts.
        const isNothingSent = error instanceof UserError && NOT_SENT.has(error.code) && (await undo())
        if (isNothingSent) await this.#modules.openings.remove(payee)
        throw error
      })
      this.#locked.set(payee, performance.now())
      log.info({ payee, deposit: formatEther(depositWei), endsAt }, 'a channel is open')
      await this.#take(payee, { ...opened, channelId: openingIdOf(opened) })
      await this.#modules.unkept.settled(openingIdOf(opened))
    })
  }

  async #topUp(payee: Address, account: PayerAccount, priceWei: bigint): Promise<void> {
    const { chain, onLock, log } = this.#modules
    const lacking = priceWei - this.#freeWei(account)
    // A deposit more, or what may be locked of it.
    const amountWei =
      lacking > 0n ? largest(smallest(this.#options.depositWei, this.#modules.money.roomWei), lacking) : 0n
    await this.#modules.money.during(amountWei, async () => {
      if (amountWei > 0n) onLock?.({ payee, amountWei, isNew: false })
      const endsAt = Math.max(account.endsAt, await this.#end())
      const toppedUp = await topUpChannel(chain, { payee, amountWei, endsAt })
      this.#locked.set(payee, performance.now())
      log.info({ payee, amount: formatEther(amountWei), endsAt }, 'a channel was topped up')
      const { depositWei } = toppedUp
      await this.#take(payee, { ...account, depositWei, endsAt: toppedUp.endsAt })
    })
  }

  async #end(): Promise<number> {
    const { chain } = this.#modules
    const { timestamp } = await chain.clock()
    const slack = chain.pollMs < 1000 ? DEVELOPMENT_SLACK_SECONDS : 0
    return Math.max(timestamp, Math.floor(Date.now() / 1000)) + this.#options.lifeSeconds + slack
  }

  /** Its end and deposit as the chain has them, or as the transaction said that brought them. */
  async #take(payee: Address, { channelId, nonce, depositWei, endsAt }: ChannelTerms): Promise<void> {
    const { payer } = this.#modules
    // A node of the chain that is behind knows less than what was mined a moment ago.
    const leastWei = this.isFresh(payee) ? (payer.find(channelId)?.depositWei ?? 0n) : 0n
    await payer.setChannel(payee, { channelId, nonce, depositWei: largest(leastWei, depositWei), endsAt })
  }

  /** Below nothing where a channel lost some of its deposit: to a block that was taken back. */
  #freeWei(account: PayerAccount): bigint {
    return payerFree(account) - this.#modules.claims.heldWei(account.channelId)
  }

  #leastRemaining(): number {
    // A development chain's day has seconds.
    return this.#modules.chain.pollMs < 1000 ? 1 : LEAST_REMAINING_SECONDS
  }
}
