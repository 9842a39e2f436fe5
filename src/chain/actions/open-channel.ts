/** Opens a payment channel: locks a deposit for one payee. */
import { type Hex, parseEventLogs } from 'viem'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { channelIdOf, channelsContract, ownAddress } from '../channel-id.js'
import { paymentChannelsAbi } from '../generated/payment-channels.js'
import { type ActionOptions, type Mined, minedOf, mustHave, sendCall } from '../send.js'
import { readChannel } from './read-channel.js'

export interface OpenChannelParameters {
  /** The provider's hot key; its cold wallet is paid. */
  readonly payee: Address
  readonly depositWei: bigint
  /** Unix seconds, between the challenge period and 366 days from now. */
  readonly endsAt: number
}

export interface OpenedChannel extends Mined {
  readonly channelId: Hex
  /** Which opening of this pair it is, from 1. */
  readonly nonce: number
  readonly depositWei: bigint
  readonly endsAt: number
}

/** @param nonce the opening that this is going to be: sent once for each */
export function openChannelCall(chain: Chain, parameters: OpenChannelParameters, nonce?: number): ChainCall {
  const { payee, depositWei, endsAt } = parameters
  const contract = channelsContract(chain)
  const payer = ownAddress(chain, 'opening a channel')
  const { chainId } = chain
  return contractCall({
    to: contract,
    abi: paymentChannelsAbi,
    functionName: 'open',
    args: [payee, endsAt],
    valueWei: depositWei,
    what: 'opening the channel',
    intent:
      nonce === undefined
        ? undefined
        : `open-channel:${channelIdOf({ chainId, contract, payer, payee, nonce })}`,
  })
}

/**
 * The caller is the payer and signs the vouchers. Asked again for the same opening, also after a restart, it is sent once.
 * @throws UserError EXISTS where the pair has an open channel; with have and need where money does not suffice
 */
export async function openChannel(
  chain: Chain,
  parameters: OpenChannelParameters,
  options?: ActionOptions,
): Promise<OpenedChannel> {
  const payer = ownAddress(chain, 'opening a channel')
  const before = await readChannel(chain, { payer, payee: parameters.payee })
  if (before.isOpen)
    throw new UserError(`opening the channel: the channel ${before.channelId} is open already`, {
      code: 'EXISTS',
      remedy: 'use it, or top it up',
    })
  const mined = await sendCall(chain, openChannelCall(chain, parameters, before.nonce + 1), options)
  const [opened] = parseEventLogs({ abi: paymentChannelsAbi, logs: mined.logs, eventName: 'ChannelOpened' })
  const { channelId, nonce, deposit, endsAt } = mustHave(opened, 'opening a channel').args
  return { ...minedOf(mined), channelId, nonce: Number(nonce), depositWei: deposit, endsAt: Number(endsAt) }
}
