/** Ends a challenge that nobody settled in time; the payer is refunded. */
import type { Hex } from 'viem'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface ExpireChallengeParameters {
  readonly challengeId: Hex
}

export function expireChallengeCall(chain: Chain, { challengeId }: ExpireChallengeParameters): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.challengeManager,
    abi: challengeManagerAbi,
    functionName: 'expire',
    args: [challengeId],
    what: 'expiring the challenge',
    intent: `expire:${challengeId}`,
  })
}

/** Anyone may call it, once settleBy has passed. */
export async function expireChallenge(
  chain: Chain,
  parameters: ExpireChallengeParameters,
  options?: ActionOptions,
): Promise<Mined> {
  return minedOf(await sendCall(chain, expireChallengeCall(chain, parameters), options))
}
