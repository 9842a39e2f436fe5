/** Announces a report of a fault, with its bond; the proof follows in a later block. */
import { encodeAbiParameters, type Hex, keccak256 } from 'viem'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { disputeGameAbi } from '../generated/dispute-game.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

export interface AnnounceFaultParameters {
  readonly challengeId: Hex
  readonly accused: Address
  /** 32 bytes, kept for the proof. */
  readonly salt: Hex
}

export function announceFaultCall(
  chain: Chain,
  { challengeId, accused, salt }: AnnounceFaultParameters,
): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.disputeGame,
    abi: disputeGameAbi,
    functionName: 'announce',
    args: [commitmentOf(chain, challengeId, accused, salt)],
    valueWei: chain.terms.reportBondWei,
    what: 'announcing the report',
    intent: `announce:${challengeId}:${accused}:${salt}`,
  })
}

/** keccak-256 over reporter, challenge, accused and salt: an announcement serves nobody else. */
function commitmentOf(chain: Chain, challengeId: Hex, accused: Address, salt: Hex): Hex {
  if (chain.account === undefined)
    throw new UserError('announcing a report needs a key', {
      code: 'BAD_KEY',
      remedy: 'open the chain with the account that reports',
    })
  return keccak256(
    encodeAbiParameters(
      [{ type: 'address' }, { type: 'bytes32' }, { type: 'address' }, { type: 'bytes32' }],
      [chain.account.address, challengeId, accused, salt],
    ),
  )
}

/** The bond comes back with the proof, or where somebody else proved the fault first. */
export async function announceFault(
  chain: Chain,
  parameters: AnnounceFaultParameters,
  options?: ActionOptions,
): Promise<Mined> {
  return minedOf(await sendCall(chain, announceFaultCall(chain, parameters), options))
}
