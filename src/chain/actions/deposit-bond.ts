/** Adds to a prover's deposit, from which bonds are taken. */
import type { Address } from '../../crypto/address.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface DepositBondParameters {
  readonly prover: Address
  readonly amountWei: bigint
}

export function depositBondCall(chain: Chain, { prover, amountWei }: DepositBondParameters): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.challengeManager,
    abi: challengeManagerAbi,
    functionName: 'deposit',
    args: [prover],
    valueWei: amountWei,
    what: "paying into the prover's deposit",
  })
}

/** Anyone may pay; it only ever returns to the cold wallet. */
export async function depositBond(
  chain: Chain,
  parameters: DepositBondParameters,
  options?: ActionOptions,
): Promise<Mined> {
  return minedOf(await sendCall(chain, depositBondCall(chain, parameters), options))
}
