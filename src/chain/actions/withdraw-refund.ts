/** Pays an account's credit to that account. */
import type { Address } from '../../crypto/address.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface WithdrawRefundParameters {
  readonly account: Address
}

export function withdrawRefundCall(chain: Chain, { account }: WithdrawRefundParameters): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.challengeManager,
    abi: challengeManagerAbi,
    functionName: 'withdraw',
    args: [account],
    what: 'withdrawing the refund',
  })
}

/** Anyone may call it. */
export async function withdrawRefund(
  chain: Chain,
  parameters: WithdrawRefundParameters,
  options?: ActionOptions,
): Promise<Mined> {
  return minedOf(await sendCall(chain, withdrawRefundCall(chain, parameters), options))
}
