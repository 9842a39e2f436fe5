/** Returns an unbound part of a prover's deposit to its cold wallet. */
import type { Address } from '../../crypto/address.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface WithdrawDepositParameters {
  readonly prover: Address
  readonly amountWei: bigint
}

export function withdrawDepositCall(
  chain: Chain,
  { prover, amountWei }: WithdrawDepositParameters,
): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.challengeManager,
    abi: challengeManagerAbi,
    functionName: 'withdrawDeposit',
    args: [prover, amountWei],
    what: "withdrawing from the prover's deposit",
  })
}

/** The caller is the cold wallet. */
export async function withdrawDeposit(
  chain: Chain,
  parameters: WithdrawDepositParameters,
  options?: ActionOptions,
): Promise<Mined> {
  return minedOf(await sendCall(chain, withdrawDepositCall(chain, parameters), options))
}
