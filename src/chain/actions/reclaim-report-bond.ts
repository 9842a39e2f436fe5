/** Returns the bond of an announcement whose fault somebody else proved first. */
import type { Hex } from 'viem'
import type { Address } from '../../crypto/address.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { disputeGameAbi } from '../generated/dispute-game.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface ReclaimReportBondParameters {
  readonly challengeId: Hex
  readonly accused: Address
  readonly salt: Hex
}

export function reclaimReportBondCall(
  chain: Chain,
  { challengeId, accused, salt }: ReclaimReportBondParameters,
): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.disputeGame,
    abi: disputeGameAbi,
    functionName: 'reclaim',
    args: [challengeId, accused, salt],
    what: "reclaiming the report's bond",
    intent: `reclaim:${challengeId}:${accused}:${salt}`,
  })
}

export async function reclaimReportBond(
  chain: Chain,
  parameters: ReclaimReportBondParameters,
  options?: ActionOptions,
): Promise<Mined> {
  return minedOf(await sendCall(chain, reclaimReportBondCall(chain, parameters), options))
}
