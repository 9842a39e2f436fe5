/** The payment channel of a pair as the chain has it. */
import type { Hex } from 'viem'
import type { Address } from '../../crypto/address.js'
import type { Chain } from '../chain.js'
import { channelsContract } from '../channel-id.js'
import { paymentChannelsAbi } from '../generated/payment-channels.js'
import { explainChainError } from '../reverts.js'

export interface ChannelParties {
  readonly payer: Address
  readonly payee: Address
}

export interface ChannelState extends ChannelParties {
  /** Of the latest opening; means nothing where `nonce` is 0. */
  readonly channelId: Hex
  /** Openings so far. */
  readonly nonce: number
  readonly isOpen: boolean
  readonly depositWei: bigint
  readonly redeemedWei: bigint
  /** Unix seconds; from then on anyone may close it. 0 where it is not open. */
  readonly endsAt: number
}

/** @param options.blockNumber as it was then, for who counts on nothing that a re-organisation may take back */
export async function readChannel(
  chain: Chain,
  { payer, payee }: ChannelParties,
  { blockNumber }: { readonly blockNumber?: bigint | undefined } = {},
): Promise<ChannelState> {
  const address = channelsContract(chain)
  try {
    const [{ deposit, redeemed, endsAt, nonce }, channelId] = await chain.client.readContract({
      address,
      abi: paymentChannelsAbi,
      functionName: 'channelOf',
      args: [payer, payee],
      ...(blockNumber === undefined ? {} : { blockNumber }),
    })
    const isOpen = endsAt !== 0
    return { payer, payee, channelId, nonce, isOpen, depositWei: deposit, redeemedWei: redeemed, endsAt }
  } catch (error) {
    throw explainChainError(error, 'reading the channel')
  }
}
