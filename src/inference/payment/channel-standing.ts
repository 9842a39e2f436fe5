/** How one opening of a channel, as a ledger knows it, stands on the chain. */

import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import {
  type Chain,
  type ChannelParties,
  type ChannelState,
  channelIdOf,
  channelsContract,
} from '../../chain/index.js'

/**
 * `open`; `ending`: so soon that nobody can bring the end forward; `over`: anyone may close it; `closed`; `unseen`: the
 * chain does not have it (yet); `elsewhere`: of another chain or contract than this one.
 */
export type ChannelStanding = 'open' | 'ending' | 'over' | 'closed' | 'unseen' | 'elsewhere'

interface Opening extends ChannelParties {
  readonly channelId: Uint8Array
  readonly nonce: number
}

/** The id of an opening that the chain shows, as ledgers have it. */
export const openingIdOf = ({ channelId }: Pick<ChannelState, 'channelId'>): Uint8Array =>
  hexToBytes(channelId.slice(2))

export function isOfChain(chain: Pick<Chain, 'chainId' | 'deployment'>, opening: Opening): boolean {
  const { channelId, payer, payee, nonce } = opening
  const contract = channelsContract(chain)
  const named = channelIdOf({ chainId: chain.chainId, contract, payer, payee, nonce })
  return named === `0x${bytesToHex(channelId)}`
}

export function channelStanding(
  chain: Pick<Chain, 'chainId' | 'deployment' | 'terms'>,
  opening: Opening,
  state: ChannelState,
  nowSeconds: number,
): ChannelStanding {
  if (!isOfChain(chain, opening)) return 'elsewhere'
  if (state.nonce < opening.nonce) return 'unseen'
  if (!state.isOpen || state.nonce > opening.nonce) return 'closed'
  if (state.endsAt <= nowSeconds) return 'over'
  return state.endsAt <= nowSeconds + chain.terms.channelChallengeSeconds ? 'ending' : 'open'
}
