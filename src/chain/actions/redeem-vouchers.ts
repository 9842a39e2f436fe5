/** A payee redeems its vouchers: one payment to its cold wallet for any number of payers. */
import { type Hex, keccak256, parseEventLogs } from 'viem'
import type { Address } from '../../crypto/address.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { channelsContract } from '../channel-id.js'
import { paymentChannelsAbi } from '../generated/payment-channels.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

/** About 19,000 gas each: a transaction stays below 2 million. */
export const VOUCHERS_PER_TRANSACTION = 100

/** A voucher as the contract takes it: the channel's id follows from the parties. */
export interface RedeemableVoucher {
  readonly payer: Address
  /** Everything paid so far in this opening. */
  readonly amountWei: bigint
  readonly receipts: bigint
  readonly receiptsHead: Hex
  /** 65 bytes. */
  readonly signature: Hex
}

export interface RedeemVouchersParameters {
  readonly payee: Address
  /** The newest of each payer. */
  readonly vouchers: readonly RedeemableVoucher[]
}

export interface RedeemedVouchers {
  readonly transactions: readonly Mined[]
  readonly redemptions: readonly {
    readonly channelId: Hex
    readonly paidWei: bigint
    /** All of this opening. */
    readonly redeemedWei: bigint
  }[]
  /** Paid to the payee's wallet. */
  readonly paidWei: bigint
  readonly feeWei: bigint
}

/** One transaction for at most {@link VOUCHERS_PER_TRANSACTION}; a single voucher is refused with its own reason. */
export function redeemVouchersCall(chain: Chain, { payee, vouchers }: RedeemVouchersParameters): ChainCall {
  const [first] = vouchers
  const to = channelsContract(chain)
  const common = { to, abi: paymentChannelsAbi, what: 'redeeming vouchers' } as const
  const call =
    first !== undefined && vouchers.length === 1
      ? contractCall({ ...common, functionName: 'redeem', args: [payee, first] })
      : contractCall({ ...common, functionName: 'redeemMany', args: [payee, vouchers] })
  // The same vouchers are sent once, however often a restart asks for them. One above its deposit that a top-up made
  // worth its rest needs an intent of its own.
  return { ...call, intent: `redeem:${keccak256(call.data)}` }
}

/**
 * The chain's account is the payee: a redemption commits it to the receipts that the vouchers name. Among several, those
 * that pay nothing are passed over.
 * @throws UserError NOT_FOUND where none pays anything; DENIED for another account than the payee's
 */
export async function redeemVouchers(
  chain: Chain,
  { payee, vouchers }: RedeemVouchersParameters,
  options?: ActionOptions,
): Promise<RedeemedVouchers> {
  const transactions: Mined[] = []
  const redemptions: RedeemedVouchers['redemptions'][number][] = []
  for (let at = 0; at < vouchers.length; at += VOUCHERS_PER_TRANSACTION) {
    const some = vouchers.slice(at, at + VOUCHERS_PER_TRANSACTION)
    const mined = await sendCall(chain, redeemVouchersCall(chain, { payee, vouchers: some }), options)
    transactions.push(minedOf(mined))
    const events = parseEventLogs({
      abi: paymentChannelsAbi,
      logs: mined.logs,
      eventName: 'VoucherRedeemed',
    })
    for (const { args } of events)
      redemptions.push({ channelId: args.channelId, paidWei: args.paid, redeemedWei: args.redeemed })
  }
  const paidWei = redemptions.reduce((sum, each) => sum + each.paidWei, 0n)
  const feeWei = transactions.reduce((sum, each) => sum + each.feeWei, 0n)
  return { transactions, redemptions, paidWei, feeWei }
}
