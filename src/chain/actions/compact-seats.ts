/** Clears seats away whose record ended long enough ago. */
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { stakeRegistryAbi } from '../generated/stake-registry.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface CompactSeatsParameters {
  /** Indices; those that cannot be cleared are passed over. */
  readonly holes: readonly number[]
}

export function compactSeatsCall(chain: Chain, { holes }: CompactSeatsParameters): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.stakeRegistry,
    abi: stakeRegistryAbi,
    functionName: 'compact',
    args: [holes.map(BigInt)],
    what: 'clearing seats',
  })
}

/** Anyone may call it. */
export async function compactSeats(
  chain: Chain,
  parameters: CompactSeatsParameters,
  options?: ActionOptions,
): Promise<Mined> {
  return minedOf(await sendCall(chain, compactSeatsCall(chain, parameters), options))
}
