/** The client's channels: found, opened, topped up and left, as its jobs need them. */
import { hexToBytes } from '@noble/hashes/utils.js'
import {
  type Chain,
  type ChannelState,
  formatEther,
  openChannel,
  readChannel,
  topUpChannel,
} from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import type { Logger } from '../../telemetry/logger.js'
import type { OfferContent } from '../network/offer.js'
import { type Payer, type PayerAccount, payerFree } from '../payment/index.js'
import { largest } from '../payment/wei.js'
import { askForEnd, forgetInTime, readOwnChannels, takeBack } from './refunds.js'

export interface ChannelsOptions {
  /** Locked in a new channel, and added to one that runs dry. */
  readonly depositWei: bigint
  readonly lifeSeconds: number
}

export interface ChannelsModules {
  readonly chain: Chain
  readonly payer: Payer
  /** The client's own. */
  readonly address: Address
  readonly log: Logger
  /** Told before money is locked. */
  readonly onLock?: (what: {
    readonly payee: Address
    readonly amountWei: bigint
    readonly isNew: boolean
  }) => void
}

/** A channel that ends sooner is given a later end before a job. */
const LEAST_REMAINING_SECONDS = 3600
/** Within it a provider may not have seen what this client did on the chain: its own node of it may be behind. */
const FRESH_MS = 30_000
/** Beyond the challenge period, which a channel must outlive. */
const DEVELOPMENT_SLACK_SECONDS = 60

export class Channels {
  readonly #options: ChannelsOptions
  readonly #modules: ChannelsModules
  /** One at a time for each payee: no two openings, no two top-ups for one need. */
  readonly #running = new Map<Address, Promise<unknown>>()
  /** When money was locked last, monotonic milliseconds. */
  readonly #locked = new Map<Address, number>()

  constructor(options: ChannelsOptions, modules: ChannelsModules) {
    this.#options = options
    this.#modules = modules
  }

  /** The channel that is known with a payee, without a look at the chain. */
  known(payee: Address): PayerAccount | undefined {
    const { payer } = this.#modules
    return payer
      .accounts()
      .filter((account) => account.payee === payee)
      .reduce<PayerAccount | undefined>(
        (newest, each) => (newest === undefined || each.nonce > newest.nonce ? each : newest),
        undefined,
      )
  }

  /**
   * A channel with room for a job, in the ledger.
   * @throws UserError DENIED where the deposit may not be as large as the provider or the job asks; chain errors
   */
  async ready(
    payee: Address,
    priceWei: bigint,
    offered: NonNullable<OfferContent['payment']>,
  ): Promise<PayerAccount> {
    const account = this.known(payee)
    if (account !== undefined && this.#suffices(account, priceWei)) return account
    return this.#inTurn(payee, () => this.#prepare(payee, priceWei, offered))
  }

  /** Whether a channel with a payee was opened or topped up a moment ago. */
  isFresh(payee: Address): boolean {
    return performance.now() - (this.#locked.get(payee) ?? Number.NEGATIVE_INFINITY) < FRESH_MS
  }

  /** The provider is left: what is not owed to it comes back once its time is over. */
  async leave(payee: Address): Promise<void> {
    const { log } = this.#modules
    const account = this.known(payee)
    if (account === undefined) return
    const { endsAt } = await askForEnd(this.#modules, account)
    log.warn({ payee, endsAt }, 'the channel with a provider that cannot be trusted ends')
  }

  /**
   * Takes the deposits of channels back that are over, and forgets what nothing can be asked of any more. Of channels that
   * run it reads nothing from the chain.
   */
  async refundOver(signal?: AbortSignal): Promise<void> {
    const { chain, payer, log } = this.#modules
    const { timestamp } = await chain.clock()
    for (const { channelId, payee, endsAt } of payer.accounts()) {
      if (endsAt > timestamp) continue
      signal?.throwIfAborted()
      await this.#inTurn(payee, () => this.#refund(channelId, signal)).catch((error: unknown) => {
        signal?.throwIfAborted()
        log.warn({ payee, reason: String(error) }, 'a deposit did not come back yet')
      })
    }
  }

  async #refund(channelId: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { payer, log } = this.#modules
    const accounts = payer.accounts().filter((each) => Buffer.compare(each.channelId, channelId) === 0)
    for (const { account, standing } of await readOwnChannels(this.#modules, accounts)) {
      if (standing === 'closed') await forgetInTime(this.#modules, account)
      if (standing !== 'over') continue
      const { refundWei } = await takeBack(this.#modules, account, signal)
      log.info({ payee: account.payee, refund: formatEther(refundWei) }, 'the rest of a deposit came back')
    }
  }

  /** After whatever else is done about a payee's channel. */
  async #inTurn<T>(payee: Address, act: () => Promise<T>): Promise<T> {
    const before = this.#running.get(payee) ?? Promise.resolve()
    const mine = before.catch(() => undefined).then(act)
    this.#running.set(payee, mine)
    try {
      return await mine
    } finally {
      if (this.#running.get(payee) === mine) this.#running.delete(payee)
    }
  }

  #suffices(account: PayerAccount, priceWei: bigint): boolean {
    return payerFree(account) >= priceWei && account.endsAt - Date.now() / 1000 >= this.#leastRemaining()
  }

  #leastRemaining(): number {
    // A development chain's day has seconds.
    return this.#modules.chain.pollMs < 1000 ? 1 : LEAST_REMAINING_SECONDS
  }

  async #prepare(
    payee: Address,
    priceWei: bigint,
    offered: NonNullable<OfferContent['payment']>,
  ): Promise<PayerAccount> {
    const { chain, payer, address } = this.#modules
    const state = await readChannel(chain, { payer: address, payee })
    if (!state.isOpen) return this.#open(payee, priceWei, offered)
    if (state.endsAt <= (await chain.clock()).timestamp) {
      // The provider may have forgotten it: a later end would not bring it back.
      await takeBack(this.#modules, { payee, channelId: idOf(state) })
      return this.#open(payee, priceWei, offered)
    }
    await this.#take(payee, state)
    const account = payer.account(idOf(state))
    if (this.#suffices(account, priceWei)) return account
    return this.#topUp(payee, account, priceWei)
  }

  async #open(
    payee: Address,
    priceWei: bigint,
    offered: NonNullable<OfferContent['payment']>,
  ): Promise<PayerAccount> {
    const { chain, payer, address, onLock, log } = this.#modules
    const { depositWei } = this.#options
    const needWei = largest(priceWei, offered.leastDepositWei)
    if (depositWei < needWei)
      throw new UserError(
        `the provider asks for a deposit of ${formatEther(needWei, 'up')}, and ${formatEther(depositWei)} is allowed`,
        {
          code: 'DENIED',
          remedy: 'raise inference.client.deposit, or choose another provider',
          details: { haveWei: String(depositWei), needWei: String(needWei) },
        },
      )
    onLock?.({ payee, amountWei: depositWei, isNew: true })
    const endsAt = await this.#end()
    const opened = await openChannel(chain, { payee, depositWei, endsAt })
    this.#locked.set(payee, performance.now())
    log.info({ payee, deposit: formatEther(depositWei), endsAt }, 'a channel is open')
    await this.#take(payee, await readChannel(chain, { payer: address, payee }))
    return payer.account(hexToBytes(opened.channelId.slice(2)))
  }

  async #topUp(payee: Address, account: PayerAccount, priceWei: bigint): Promise<PayerAccount> {
    const { chain, payer, address, onLock, log } = this.#modules
    const lacking = priceWei - payerFree(account)
    const amountWei = lacking > 0n ? largest(this.#options.depositWei, lacking) : 0n
    if (amountWei > 0n) onLock?.({ payee, amountWei, isNew: false })
    const endsAt = Math.max(account.endsAt, await this.#end())
    await topUpChannel(chain, { payee, amountWei, endsAt })
    this.#locked.set(payee, performance.now())
    log.info({ payee, amount: formatEther(amountWei), endsAt }, 'a channel was topped up')
    await this.#take(payee, await readChannel(chain, { payer: address, payee }))
    return payer.account(account.channelId)
  }

  async #end(): Promise<number> {
    const { chain } = this.#modules
    const { timestamp } = await chain.clock()
    const slack = chain.pollMs < 1000 ? DEVELOPMENT_SLACK_SECONDS : 0
    return Math.max(timestamp, Math.floor(Date.now() / 1000)) + this.#options.lifeSeconds + slack
  }

  async #take(payee: Address, state: ChannelState): Promise<void> {
    const { nonce, depositWei, endsAt } = state
    await this.#modules.payer.setChannel(payee, { channelId: idOf(state), nonce, depositWei, endsAt })
  }
}

const idOf = ({ channelId }: ChannelState): Uint8Array => hexToBytes(channelId.slice(2))
