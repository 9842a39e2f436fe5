/** Leaves the registry: at once, always possible. The stake follows after the unbonding time. */
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { stakeRegistryAbi } from '../generated/stake-registry.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface DeregisterNodeParameters {
  readonly nodeId: number
}

export function deregisterNodeCall(chain: Chain, { nodeId }: DeregisterNodeParameters): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.stakeRegistry,
    abi: stakeRegistryAbi,
    functionName: 'deregister',
    args: [nodeId],
    what: 'leaving the registry',
  })
}

/** The caller is the cold wallet. */
export async function deregisterNode(
  chain: Chain,
  parameters: DeregisterNodeParameters,
  options?: ActionOptions,
): Promise<Mined> {
  return minedOf(await sendCall(chain, deregisterNodeCall(chain, parameters), options))
}
