/** Pays a reporter's reward and returned bonds. */
import type { Address } from '../../crypto/address.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { disputeGameAbi } from '../generated/dispute-game.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface WithdrawRewardParameters {
  readonly account: Address
}

export function withdrawRewardCall(chain: Chain, { account }: WithdrawRewardParameters): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.disputeGame,
    abi: disputeGameAbi,
    functionName: 'withdraw',
    args: [account],
    what: 'withdrawing the reward',
  })
}

/** Anyone may call it. */
export async function withdrawReward(
  chain: Chain,
  parameters: WithdrawRewardParameters,
  options?: ActionOptions,
): Promise<Mined> {
  return minedOf(await sendCall(chain, withdrawRewardCall(chain, parameters), options))
}
