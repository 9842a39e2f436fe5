/** Puts another hot key in the place of a node's present one; after leaving, joins again. */
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { stakeRegistryAbi } from '../generated/stake-registry.js'
import { type ActionOptions, sendCall } from '../send.js'
import type { Consent } from './consent.js'
import { toChainEndpoint } from './endpoint.js'
import { readNode } from './read-node.js'
import { type SeatedNode, seatedNodeOf } from './register-node.js'
import type { UpdateNodeParameters } from './update-node.js'

export interface RotateNodeParameters extends UpdateNodeParameters {
  /** Of the new key. */
  readonly consent: Consent
}

export async function rotateNodeCall(
  chain: Chain,
  { nodeId, consent, endpoint, seats }: RotateNodeParameters,
): Promise<ChainCall> {
  const held = (await readNode(chain, nodeId))?.seats ?? 0
  return contractCall({
    to: chain.deployment.contracts.stakeRegistry,
    abi: stakeRegistryAbi,
    functionName: 'rotate',
    args: [nodeId, consent, toChainEndpoint(endpoint), seats],
    valueWei: BigInt(Math.max(0, seats - held)) * chain.terms.seatStakeWei,
    what: 'changing the hot key',
    intent: `rotate:${nodeId}:${consent.salt}`,
  })
}

/** The caller is the cold wallet. The old key's signatures stay slashable. */
export async function rotateNode(
  chain: Chain,
  parameters: RotateNodeParameters,
  options?: ActionOptions,
): Promise<SeatedNode> {
  const call = await rotateNodeCall(chain, parameters)
  return seatedNodeOf(await sendCall(chain, call, options), call.valueWei)
}
