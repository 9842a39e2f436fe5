/**
 * Keeps a payee's ledger in step with the chain: takes up channels that clients opened, follows deposits and ends, and
 * redeems what is due with one transaction for all clients.
 *
 *     const keeper = new ChannelKeeper({ policy, ... }, { chain, payee, address })
 *     await keeper.adopt(payerAddress)   // a client names its channel for the first time, or topped it up
 *     await keeper.round()               // every minute or so, and with `true` when the provider stops
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import {
  type Chain,
  type ChannelState,
  chainReason,
  formatEther,
  lackOfMoney,
  marketFees,
  type RedeemedVouchers,
  readChannel,
  redeemVouchers,
} from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import type { Logger } from '../../telemetry/logger.js'
import { isOfChain, openingIdOf } from './channel-standing.js'
import type { Payee } from './payee.js'
import { type PayeeAccount, type RedeemPolicy, unredeemed } from './payee-account.js'
import { busy, refused } from './refusal.js'
import type { RetiredOpenings } from './retired-openings.js'
import { largest } from './wei.js'

/** Gas of a redemption, docs/contracts.md: what it must bring at least, all in all and each. */
const GAS_PER_TRANSACTION = 36_000n
const GAS_PER_VOUCHER = 22_300n
/** Of the redemption of so many vouchers in one transaction. */
export const redemptionGas = (vouchers: number): bigint =>
  GAS_PER_TRANSACTION + GAS_PER_VOUCHER * BigInt(vouchers)

/** Channels asked for at once. */
const BATCH = 16

export interface ChannelKeeperOptions {
  /** `leastWei` is raised to the gas of the day. */
  readonly policy: RedeemPolicy
  /** A channel below is not worth its redemption. */
  readonly leastDepositWei: bigint
  /** Openings in the ledger at most, those over and not forgotten yet included; below what the store takes. */
  readonly maxChannels: number
  /** Of these with receipts of one payer: the present one, and former ones that auditors may still ask for. */
  readonly maxPerPayer: number
  /** Receipts are kept so long after their channel's end, for auditors. */
  readonly auditWindowSeconds: number
}

export interface ChannelKeeperModules {
  readonly chain: Chain
  readonly payee: Payee
  /** The payee's own key. */
  readonly address: Address
  readonly retired: RetiredOpenings
  readonly log?: Logger | undefined
}

/** What a round found and did. */
export interface KeeperRound {
  readonly redeemed: RedeemedVouchers | undefined
  /** Openings that bring nothing more. Those without receipts, or whose audit window is over, were forgotten. */
  readonly over: readonly PayeeAccount[]
}

/** How the channels of the ledger stand, as far as the chain said so. */
interface Followed {
  readonly over: readonly Over[]
  /** Channels of which nothing is known now: nothing is done about them. */
  readonly unread: ReadonlySet<string>
}

interface Over {
  readonly account: PayeeAccount
  /** No payer can give this opening a later end. */
  readonly isClosed: boolean
}

/** The chain did not say how the channels stand, so that nothing was redeemed either. */
export class ChannelsUnread extends Error {
  constructor(cause: unknown) {
    super(chainReason(cause), { cause })
    this.name = 'ChannelsUnread'
  }
}

/** Nobody holds anything of it: taken up again it is what it was. */
const isUnused = ({ issued, voucher, running }: PayeeAccount): boolean =>
  issued === 0 && voucher === null && running.length === 0

export class ChannelKeeper {
  readonly #options: ChannelKeeperOptions
  readonly #modules: ChannelKeeperModules
  #running: Promise<KeeperRound> | undefined
  #unseen: readonly Uint8Array[] = []

  constructor(options: ChannelKeeperOptions, modules: ChannelKeeperModules) {
    this.#options = options
    this.#modules = modules
  }

  /**
   * The channel of a client as the chain has it, as deep as `chain.confirmations` asks: new, topped up, or ending.
   * @throws UserError NOT_FOUND where there is none yet; DENIED with have and need for a deposit that is too small, or
   *   for an opening that was over and is forgotten; BUSY
   */
  async adopt(payer: Address): Promise<PayeeAccount> {
    const { payee } = this.#modules
    const { leastDepositWei } = this.#options
    const state = await this.#read(payer)
    if (!state.isOpen)
      throw refused(
        `there is no open channel from ${payer}`,
        'NOT_FOUND',
        'open one, and wait until it is confirmed',
      )
    if (state.depositWei < leastDepositWei)
      throw lackOfMoney('the deposit is too small', state.depositWei, leastDepositWei, 'top the channel up')
    const channelId = openingIdOf(state)
    if (payee.find(channelId) === undefined) await this.#makeRoom(state)
    await this.#update(state)
    return payee.account(channelId)
  }

  /** Whether the newest block has a channel, a deposit or an end of this client that is not deep enough to be taken up. */
  async isMoreComing(payer: Address): Promise<boolean> {
    const { chain, payee, address } = this.#modules
    if (chain.confirmations === 1) return false
    const state = await readChannel(chain, { payer, payee: address })
    if (!state.isOpen) return false
    const known = payee.find(openingIdOf(state))
    return known === undefined || state.depositWei > known.depositWei || state.endsAt > known.endsAt
  }

  /**
   * Channels with receipts that the chain, when it was read last, did not have: it was begun anew, or took blocks back. Those
   * past their end are left out, which pay nothing anyway.
   */
  get unseen(): readonly PayeeAccount[] {
    const { payee } = this.#modules
    return this.#unseen.map((id) => payee.find(id)).filter((account) => account !== undefined)
  }

  /**
   * Follows every channel and redeems what is due. One round at a time: a second caller gets the first one's.
   * @throws ChannelsUnread; chain errors where the channels were read, and redeeming failed
   */
  round(isClosing = false): Promise<KeeperRound> {
    this.#running ??= this.#round(isClosing).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Follows every channel and redeems nothing: before anything is sold, since channels may have ended meanwhile. */
  async follow(): Promise<void> {
    const { timestamp } = await this.#modules.chain.clock()
    const { over } = await this.#follow(timestamp, this.#options.policy.leastWei)
    for (const each of over) await this.#forget(each, timestamp)
  }

  async #round(isClosing: boolean): Promise<KeeperRound> {
    const { chain, payee, address, log } = this.#modules
    const { policy } = this.#options
    const looked = await this.#look().catch((error: unknown) => {
      throw new ChannelsUnread(error)
    })
    const { maxFeePerGas, leastWei, timestamp, over: ending, unread } = looked
    const over = ending.map(({ account }) => account)
    const notDue = new Set([...unread, ...over.map(({ channelId }) => bytesToHex(channelId))])
    for (const each of ending) await this.#forget(each, timestamp)
    const due = payee
      .due({ ...policy, leastWei }, isClosing)
      .filter(({ account }) => this.#isHere(account) && !notDue.has(bytesToHex(account.channelId)))
    const dueWei = due.reduce((sum, each) => sum + each.dueWei, 0n)
    if (due.length === 0 || dueWei < redemptionGas(due.length) * maxFeePerGas)
      return { redeemed: undefined, over }
    const redeemed = await redeemVouchers(chain, {
      payee: address,
      vouchers: due.map(({ voucher }) => voucher),
    })
    for (const { channelId, redeemedWei } of redeemed.redemptions) {
      const account = payee.account(openingIdOf({ channelId }))
      await payee.setChannel(account.payer, { ...account, redeemedWei })
    }
    log?.info(
      {
        vouchers: redeemed.redemptions.length,
        paid: formatEther(redeemed.paidWei),
        fee: formatEther(redeemed.feeWei),
      },
      'vouchers redeemed',
    )
    return { redeemed, over }
  }

  /** How the channels stand, and what a redemption costs at the moment. */
  async #look() {
    const { chain } = this.#modules
    const { maxFeePerGas } = await marketFees(chain.client, undefined)
    const leastWei = largest(this.#options.policy.leastWei, GAS_PER_VOUCHER * maxFeePerGas)
    const { timestamp } = await chain.clock()
    return { maxFeePerGas, leastWei, timestamp, ...(await this.#follow(timestamp, leastWei)) }
  }

  /**
   * Finds the openings that are closed, or past their end with nothing left that is worth its gas. A channel that cannot be
   * read keeps nobody else from being paid.
   * @throws chain errors where none can be read
   */
  async #follow(nowSeconds: number, leastWei: bigint): Promise<Followed> {
    const { payee, log } = this.#modules
    const accounts = payee.accounts().filter((account) => this.#isHere(account))
    const over: Over[] = []
    const unread = new Set<string>()
    const unseen: Uint8Array[] = []
    let failure: unknown
    const follow = async (account: PayeeAccount): Promise<void> => {
      try {
        const found = await this.#standing(account, nowSeconds, leastWei)
        if (found === 'unseen') {
          if (!isUnused(account) && account.endsAt > nowSeconds) unseen.push(account.channelId)
        } else if (found !== undefined) over.push(found)
      } catch (error) {
        failure = error
        unread.add(bytesToHex(account.channelId))
      }
    }
    for (let at = 0; at < accounts.length; at += BATCH) {
      await Promise.all(accounts.slice(at, at + BATCH).map(follow))
      // The chain is away: the others would be waited for one after the other.
      if (unread.size === Math.min(at + BATCH, accounts.length) && unread.size > 0) throw failure
    }
    this.#unseen = unseen
    if (unread.size > 0)
      log?.warn(
        { channels: unread.size, reason: chainReason(failure) },
        'channels could not be read on the chain',
      )
    return { over, unread }
  }

  /** What another chain or contract holds is nothing that this one could pay, or say is over. */
  #isHere(account: PayeeAccount): boolean {
    const { chain, address } = this.#modules
    return isOfChain(chain, { ...account, payee: address })
  }

  /** Takes up what the chain says of a channel. @returns it where it is over */
  async #standing(
    account: PayeeAccount,
    nowSeconds: number,
    leastWei: bigint,
  ): Promise<Over | 'unseen' | undefined> {
    const { payee } = this.#modules
    const state = await this.#read(account.payer)
    if (state.isOpen && bytesToHex(openingIdOf(state)) === bytesToHex(account.channelId)) {
      if (payee.find(account.channelId) === undefined) return undefined
      await this.#update(state)
      const known = payee.find(account.channelId)
      // Vouchers count until somebody closes: what is worth its gas is still redeemed.
      return known !== undefined && state.endsAt <= nowSeconds && unredeemed(known) < leastWei
        ? { account: known, isClosed: false }
        : undefined
    }
    return this.#gone(account, state.nonce >= account.nonce, nowSeconds)
  }

  /** What the chain does not have, any more or yet again, pays for nothing. */
  async #gone(account: PayeeAccount, isClosed: boolean, nowSeconds: number): Promise<Over | 'unseen'> {
    const { payee } = this.#modules
    const { payer, depositWei, redeemedWei } = account
    const endsAt = isClosed ? Math.min(account.endsAt, nowSeconds) : account.endsAt
    const isNews = depositWei !== redeemedWei || endsAt !== account.endsAt
    if (isNews && payee.find(account.channelId) !== undefined)
      await payee.setChannel(payer, { ...account, depositWei: redeemedWei, endsAt })
    return isClosed ? { account: payee.find(account.channelId) ?? account, isClosed } : 'unseen'
  }

  /** Unless its receipts may be asked for, or a payer could bring it back and there is no room to remember that. */
  async #forget({ account, isClosed }: Over, nowSeconds: number): Promise<void> {
    const { payee, retired } = this.#modules
    const { channelId, payer, nonce, endsAt } = account
    if (!isUnused(account)) {
      if (endsAt + this.#options.auditWindowSeconds > nowSeconds || account.running.length > 0) return
      if (!isClosed && !(await retired.add(payer, nonce))) return
    }
    await payee.forget(channelId)
  }

  /** For an opening that is not known. @throws UserError DENIED for one that was forgotten; BUSY */
  async #makeRoom({ payer, nonce }: ChannelState): Promise<void> {
    const { payee, retired } = this.#modules
    const { maxChannels, maxPerPayer } = this.#options
    if (await retired.has(payer, nonce))
      throw refused(
        'this channel was over, and what was bought in it is done with',
        'DENIED',
        'close it, which gives the deposit back, and open another one',
      )
    const accounts = payee.accounts()
    const ofThisPayer = accounts.filter((each) => each.payer === payer && !isUnused(each)).length
    if (ofThisPayer >= maxPerPayer)
      throw busy('channels of this client', ofThisPayer, maxPerPayer, 'ask another provider, or in some days')
    if (accounts.length >= maxChannels) {
      // Deposits come back, so openings alone cost nothing: whoever bought something goes first.
      const unused = accounts.find(isUnused)
      if (unused === undefined)
        throw busy(
          'channels of this provider',
          accounts.length,
          maxChannels,
          'ask another provider, or later',
        )
      await payee.forget(unused.channelId)
    }
    await retired.drop(payer)
  }

  async #update(state: ChannelState): Promise<void> {
    const { payee } = this.#modules
    const channelId = openingIdOf(state)
    const known = payee.find(channelId)
    const { payer, nonce, depositWei, redeemedWei, endsAt } = state
    const isSame =
      known?.depositWei === depositWei && known.redeemedWei === redeemedWei && known.endsAt === endsAt
    if (!isSame) await payee.setChannel(payer, { channelId, nonce, depositWei, redeemedWei, endsAt })
  }

  async #read(payer: Address): Promise<ChannelState> {
    const { chain, address } = this.#modules
    const { blockNumber } = await chain.clock()
    const depth = BigInt(chain.confirmations - 1)
    return readChannel(
      chain,
      { payer, payee: address },
      { blockNumber: blockNumber > depth ? blockNumber - depth : 0n },
    )
  }
}
