/** Says that a payer wants to leave: the channel ends once the payee had its time to redeem. */
import { parseEventLogs } from 'viem'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { channelsContract } from '../channel-id.js'
import { paymentChannelsAbi } from '../generated/payment-channels.js'
import { type ActionOptions, type Mined, minedOf, mustHave, sendCall } from '../send.js'
import type { ChannelParties } from './read-channel.js'

export interface RequestedClose extends Mined {
  /** Unix seconds: from then on `closeChannel` gives the rest back. */
  readonly endsAt: number
}

export function requestChannelCloseCall(chain: Chain, { payer, payee }: ChannelParties): ChainCall {
  return contractCall({
    to: channelsContract(chain),
    abi: paymentChannelsAbi,
    functionName: 'requestClose',
    args: [payer, payee],
    what: "asking for the channel's end",
  })
}

/** The caller is the payer or its cold wallet. @throws UserError EXISTS where the channel ends as soon already */
export async function requestChannelClose(
  chain: Chain,
  parties: ChannelParties,
  options?: ActionOptions,
): Promise<RequestedClose> {
  const mined = await sendCall(chain, requestChannelCloseCall(chain, parties), options)
  const [asked] = parseEventLogs({
    abi: paymentChannelsAbi,
    logs: mined.logs,
    eventName: 'ChannelCloseRequested',
  })
  const { endsAt } = mustHave(asked, "asking for a channel's end").args
  return { ...minedOf(mined), endsAt: Number(endsAt) }
}
