/** After the dispute window: credits the payer's rest and returns the prover's bond. */
import type { Hex } from 'viem'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface CloseChallengeParameters {
  readonly challengeId: Hex
}

export function closeChallengeCall(chain: Chain, { challengeId }: CloseChallengeParameters): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.challengeManager,
    abi: challengeManagerAbi,
    functionName: 'close',
    args: [challengeId],
    what: 'closing the challenge',
    intent: `close:${challengeId}`,
  })
}

/** Anyone may call it. */
export async function closeChallenge(
  chain: Chain,
  parameters: CloseChallengeParameters,
  options?: ActionOptions,
): Promise<Mined> {
  return minedOf(await sendCall(chain, closeChallengeCall(chain, parameters), options))
}
