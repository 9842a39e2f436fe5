/** Changes a node's endpoint, uplink or seats: added seats are paid for, given up ones unbond. */
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { stakeRegistryAbi } from '../generated/stake-registry.js'
import { type ActionOptions, sendCall } from '../send.js'
import { type Endpoint, toChainEndpoint } from './endpoint.js'
import { readNode } from './read-node.js'
import { type SeatedNode, seatedNodeOf } from './register-node.js'

export interface UpdateNodeParameters {
  readonly nodeId: number
  readonly endpoint: Endpoint
  /** Afterwards, 0 to 8. */
  readonly seats: number
}

export async function updateNodeCall(
  chain: Chain,
  { nodeId, endpoint, seats }: UpdateNodeParameters,
): Promise<ChainCall> {
  const held = (await readNode(chain, nodeId))?.seats ?? 0
  return contractCall({
    to: chain.deployment.contracts.stakeRegistry,
    abi: stakeRegistryAbi,
    functionName: 'update',
    args: [nodeId, toChainEndpoint(endpoint), seats],
    valueWei: BigInt(Math.max(0, seats - held)) * chain.terms.seatStakeWei,
    what: 'changing the node',
  })
}

/** The caller is the cold wallet. A seated node changes once in the quarantine time. */
export async function updateNode(
  chain: Chain,
  parameters: UpdateNodeParameters,
  options?: ActionOptions,
): Promise<SeatedNode> {
  const call = await updateNodeCall(chain, parameters)
  return seatedNodeOf(await sendCall(chain, call, options), call.valueWei)
}
