/** Ends a channel: what was not redeemed goes back to the payer. */
import { parseEventLogs } from 'viem'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { channelsContract } from '../channel-id.js'
import { paymentChannelsAbi } from '../generated/payment-channels.js'
import { type ActionOptions, type Mined, minedOf, mustHave, sendCall } from '../send.js'
import type { ChannelParties } from './read-channel.js'
import type { RedeemableVoucher } from './redeem-vouchers.js'

export interface CloseChannelParameters extends ChannelParties {
  /** Redeemed in the same transaction: the payee's last one. */
  readonly voucher?: RedeemableVoucher | undefined
}

export interface ClosedChannel extends Mined {
  readonly refundWei: bigint
  /** To the payee, with `voucher` only. */
  readonly paidWei: bigint
}

export function closeChannelCall(chain: Chain, { payer, payee, voucher }: CloseChannelParameters): ChainCall {
  const common = {
    to: channelsContract(chain),
    abi: paymentChannelsAbi,
    what: 'closing the channel',
  } as const
  return voucher === undefined
    ? contractCall({ ...common, functionName: 'close', args: [payer, payee] })
    : contractCall({ ...common, functionName: 'redeemAndClose', args: [payee, { ...voucher, payer }] })
}

/**
 * Anyone after the channel's end; the payee or its cold wallet at any time; with a voucher the payee alone.
 * @throws UserError with the time from which it is possible
 */
export async function closeChannel(
  chain: Chain,
  parameters: CloseChannelParameters,
  options?: ActionOptions,
): Promise<ClosedChannel> {
  const mined = await sendCall(chain, closeChannelCall(chain, parameters), options)
  const { logs } = mined
  const [closed] = parseEventLogs({ abi: paymentChannelsAbi, logs, eventName: 'ChannelClosed' })
  const redeemed = parseEventLogs({ abi: paymentChannelsAbi, logs, eventName: 'VoucherRedeemed' })
  return {
    ...minedOf(mined),
    refundWei: mustHave(closed, 'closing a channel').args.refund,
    paidWei: redeemed.reduce((sum, { args }) => sum + args.paid, 0n),
  }
}
