/**
 * Keeps a payee's ledger in step with the chain: takes up channels that clients opened, follows deposits and ends, and
 * redeems what is due with one transaction for all clients.
 *
 *     const keeper = new ChannelKeeper({ policy, ... }, { chain, payee, address })
 *     await keeper.adopt(payerAddress)   // a client names its channel for the first time, or topped it up
 *     await keeper.round()               // every minute or so, and with `true` when the provider stops
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import {
  type Chain,
  type ChannelState,
  formatEther,
  lackOfMoney,
  marketFees,
  type RedeemedVouchers,
  readChannel,
  redeemVouchers,
} from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import type { Logger } from '../../telemetry/logger.js'
import type { Payee } from './payee.js'
import type { PayeeAccount, RedeemPolicy } from './payee-account.js'
import { busy, refused } from './refusal.js'
import { largest } from './wei.js'

/** Gas of a redemption, docs/contracts.md: what it must bring at least, all in all and each. */
const GAS_PER_TRANSACTION = 36_000n
const GAS_PER_VOUCHER = 22_300n
/** Channels asked for at once. */
const BATCH = 16

export interface ChannelKeeperOptions {
  /** `leastWei` is raised to the gas of the day. */
  readonly policy: RedeemPolicy
  /** A channel below is not worth its redemption. */
  readonly leastDepositWei: bigint
  /** Openings in the ledger at most, those over and not forgotten yet included; below what the store takes. */
  readonly maxChannels: number
}

export interface ChannelKeeperModules {
  readonly chain: Chain
  readonly payee: Payee
  /** The payee's own key. */
  readonly address: Address
  readonly log?: Logger | undefined
}

/** What a round found and did. */
export interface KeeperRound {
  readonly redeemed: RedeemedVouchers | undefined
  /** Openings that ended on the chain: forget them once their receipts' audit window is over. */
  readonly over: readonly PayeeAccount[]
}

export class ChannelKeeper {
  readonly #options: ChannelKeeperOptions
  readonly #modules: ChannelKeeperModules
  #running: Promise<KeeperRound> | undefined

  constructor(options: ChannelKeeperOptions, modules: ChannelKeeperModules) {
    this.#options = options
    this.#modules = modules
  }

  /**
   * The channel of a client as the chain has it, as deep as `chain.confirmations` asks: new, topped up, or ending.
   * @throws UserError NOT_FOUND where there is none yet; DENIED with have and need for a deposit that is too small; BUSY
   */
  async adopt(payer: Address): Promise<PayeeAccount> {
    const { payee } = this.#modules
    const { leastDepositWei, maxChannels } = this.#options
    const state = await this.#read(payer)
    if (!state.isOpen)
      throw refused(
        `there is no open channel from ${payer}`,
        'NOT_FOUND',
        'open one, and wait until it is confirmed',
      )
    if (state.depositWei < leastDepositWei)
      throw lackOfMoney('the deposit is too small', state.depositWei, leastDepositWei, 'top the channel up')
    const channelId = idOf(state)
    const count = payee.accounts().length
    if (payee.find(channelId) === undefined && count >= maxChannels)
      throw busy('channels of this provider', count, maxChannels, 'ask another provider, or later')
    await this.#update(state)
    return payee.account(channelId)
  }

  /** Whether the newest block has a channel, a deposit or an end of this client that is not deep enough to be taken up. */
  async isMoreComing(payer: Address): Promise<boolean> {
    const { chain, payee, address } = this.#modules
    if (chain.confirmations === 1) return false
    const state = await readChannel(chain, { payer, payee: address })
    if (!state.isOpen) return false
    const known = payee.find(idOf(state))
    return known === undefined || state.depositWei > known.depositWei || state.endsAt > known.endsAt
  }

  /** Follows every channel and redeems what is due. One round at a time: a second caller gets the first one's. */
  round(isClosing = false): Promise<KeeperRound> {
    this.#running ??= this.#round(isClosing).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #round(isClosing: boolean): Promise<KeeperRound> {
    const { chain, payee, address, log } = this.#modules
    const over = await this.#follow()
    const ended = new Set(over.map(({ channelId }) => bytesToHex(channelId)))
    const { maxFeePerGas } = await marketFees(chain.client, undefined)
    const { policy } = this.#options
    const leastWei = largest(policy.leastWei, GAS_PER_VOUCHER * maxFeePerGas)
    const due = payee
      .due({ ...policy, leastWei }, isClosing)
      .filter(({ account }) => !ended.has(bytesToHex(account.channelId)))
    const dueWei = due.reduce((sum, each) => sum + each.dueWei, 0n)
    const gas = GAS_PER_TRANSACTION + GAS_PER_VOUCHER * BigInt(due.length)
    if (due.length === 0 || dueWei < gas * maxFeePerGas) return { redeemed: undefined, over }
    const redeemed = await redeemVouchers(chain, {
      payee: address,
      vouchers: due.map(({ voucher }) => voucher),
    })
    for (const { channelId, redeemedWei } of redeemed.redemptions) {
      const account = payee.account(hexToBytes(channelId.slice(2)))
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

  /** @returns the openings that are over */
  async #follow(): Promise<readonly PayeeAccount[]> {
    const accounts = this.#modules.payee.accounts()
    const over: PayeeAccount[] = []
    for (let at = 0; at < accounts.length; at += BATCH)
      await Promise.all(
        accounts.slice(at, at + BATCH).map(async (account) => {
          const state = await this.#read(account.payer)
          if (state.isOpen && bytesToHex(idOf(state)) === bytesToHex(account.channelId))
            await this.#update(state)
          // Not one that is too young to be seen at this depth.
          else if (state.nonce >= account.nonce) over.push(account)
        }),
      )
    return over
  }

  async #update(state: ChannelState): Promise<void> {
    const { payee } = this.#modules
    const channelId = idOf(state)
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

const idOf = ({ channelId }: ChannelState): Uint8Array => hexToBytes(channelId.slice(2))
