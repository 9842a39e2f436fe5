/** Registers a node of the caller, the cold wallet, and buys its seats. */
import { parseEventLogs } from 'viem'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { stakeRegistryAbi } from '../generated/stake-registry.js'
import { type ActionOptions, type Mined, type MinedWithLogs, minedOf, mustHave, sendCall } from '../send.js'
import type { Consent } from './consent.js'
import { type Endpoint, toChainEndpoint } from './endpoint.js'

export interface RegisterNodeParameters {
  readonly consent: Consent
  readonly endpoint: Endpoint
  /** 0 to 8; 0 for a node that only proves. */
  readonly seats: number
}

export interface SeatedNode extends Mined {
  readonly nodeId: number
  readonly record: number
  readonly stakedWei: bigint
}

export function registerNodeCall(
  chain: Chain,
  { consent, endpoint, seats }: RegisterNodeParameters,
): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.stakeRegistry,
    abi: stakeRegistryAbi,
    functionName: 'register',
    args: [consent, toChainEndpoint(endpoint), seats],
    valueWei: BigInt(seats) * chain.terms.seatStakeWei,
    what: 'registering the node',
    intent: `register:${consent.hotKey}:${consent.salt}`,
  })
}

/** @throws UserError with have and need, or the registry's reason */
export async function registerNode(
  chain: Chain,
  parameters: RegisterNodeParameters,
  options?: ActionOptions,
): Promise<SeatedNode> {
  const call = registerNodeCall(chain, parameters)
  return seatedNodeOf(await sendCall(chain, call, options), call.valueWei)
}

/** What NodeSeated says. */
export function seatedNodeOf(mined: MinedWithLogs, stakedWei: bigint): SeatedNode {
  const [seated] = parseEventLogs({ abi: stakeRegistryAbi, logs: mined.logs, eventName: 'NodeSeated' })
  const { nodeId, record } = mustHave(seated, 'seating a node').args
  return { ...minedOf(mined), nodeId, record, stakedWei }
}
