/** Adds to a channel's deposit, gives it a later end, or both. */
import { parseEventLogs } from 'viem'
import type { Address } from '../../crypto/address.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { channelsContract } from '../channel-id.js'
import { paymentChannelsAbi } from '../generated/payment-channels.js'
import { type ActionOptions, type Mined, minedOf, mustHave, sendCall } from '../send.js'

export interface TopUpChannelParameters {
  readonly payee: Address
  /** 0 only moves the end. */
  readonly amountWei: bigint
  /** Unix seconds, not before the present end; kept unless given. */
  readonly endsAt?: number | undefined
}

export interface ToppedUpChannel extends Mined {
  /** All of it. */
  readonly depositWei: bigint
  readonly endsAt: number
}

export function topUpChannelCall(chain: Chain, parameters: TopUpChannelParameters): ChainCall {
  const { payee, amountWei, endsAt = 0 } = parameters
  return contractCall({
    to: channelsContract(chain),
    abi: paymentChannelsAbi,
    functionName: 'topUp',
    args: [payee, endsAt],
    valueWei: amountWei,
    what: 'topping up the channel',
  })
}

/** The caller is the payer; it also takes back a wish to leave. Two top-ups alike are two: name an intent for one. */
export async function topUpChannel(
  chain: Chain,
  parameters: TopUpChannelParameters,
  options?: ActionOptions,
): Promise<ToppedUpChannel> {
  const mined = await sendCall(chain, topUpChannelCall(chain, parameters), options)
  const [toppedUp] = parseEventLogs({
    abi: paymentChannelsAbi,
    logs: mined.logs,
    eventName: 'ChannelToppedUp',
  })
  const { deposit, endsAt } = mustHave(toppedUp, 'topping up a channel').args
  return { ...minedOf(mined), depositWei: deposit, endsAt: Number(endsAt) }
}
