/** Pays unbonded stake to the cold wallet. */
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { stakeRegistryAbi } from '../generated/stake-registry.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface WithdrawStakeParameters {
  readonly nodeId: number
}

export function withdrawStakeCall(chain: Chain, { nodeId }: WithdrawStakeParameters): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.stakeRegistry,
    abi: stakeRegistryAbi,
    functionName: 'withdraw',
    args: [nodeId],
    what: 'withdrawing stake',
  })
}

/** Anyone may call it. @throws UserError where the stake is still bonded, and until when */
export async function withdrawStake(
  chain: Chain,
  parameters: WithdrawStakeParameters,
  options?: ActionOptions,
): Promise<Mined> {
  return minedOf(await sendCall(chain, withdrawStakeCall(chain, parameters), options))
}
