/** Opens a challenge: the payer's fee and the prover's bond are locked, snapshot and round are named. */
import { type Hex, parseEventLogs, toHex } from 'viem'
import type { Address } from '../../crypto/address.js'
import { challengeIdOf, type Request } from '../../pob/request.js'
import type { DrawTerms } from '../../pob/seat-draw.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { type ActionOptions, type Mined, minedOf, mustHave, sendCall } from '../send.js'
import { drawTermsOf, toChainRequest } from '../structs.js'
import { beaconContract } from './submit-round.js'

export interface OpenChallengeParameters {
  /** Its chainId, verifyingContract and registryHash are the chain's; the caller is its payer. */
  readonly request: Request
  /** The second whose registry state registryHash names: see chooseSnapshot. */
  readonly snapshot: number
  /** Unix seconds, as the prover signed it. */
  readonly acceptedAt: number
  /** The prover's signature over Acceptance, 65 bytes. */
  readonly acceptance: Uint8Array
  /** The payer's cold wallet. */
  readonly refundTo: Address
  /** Of one member; the least permitted unless given. */
  readonly slotFeeWei?: bigint | undefined
}

export interface OpenedChallenge extends Mined {
  readonly challengeId: Hex
  /** Kept for fixCommittee, which wants them again. */
  readonly terms: DrawTerms
  readonly slotFeeWei: bigint
  /** n fees: what the payer locked. */
  readonly escrowWei: bigint
  /** How many challenges of this prover were opened before, this one included. */
  readonly attempt: number
}

/** @throws UserError UNAVAILABLE where the deployment has no beacon */
export function openChallengeCall(chain: Chain, parameters: OpenChallengeParameters): ChainCall {
  beaconContract(chain)
  const { request, snapshot, acceptedAt, acceptance, refundTo } = parameters
  const slotFeeWei = parameters.slotFeeWei ?? chain.terms.minSlotFeeWei
  return contractCall({
    to: chain.deployment.contracts.challengeManager,
    abi: challengeManagerAbi,
    functionName: 'open',
    args: [toChainRequest(request), snapshot, BigInt(acceptedAt), toHex(acceptance), refundTo],
    valueWei: BigInt(request.committeeSize) * slotFeeWei,
    what: 'opening the challenge',
    intent: `open:${toHex(challengeIdOf(request))}`,
  })
}

/** @throws UserError with have and need for fee, bond and gas, or with the contract's reason */
export async function openChallenge(
  chain: Chain,
  parameters: OpenChallengeParameters,
  options?: ActionOptions,
): Promise<OpenedChallenge> {
  const call = openChallengeCall(chain, parameters)
  const mined = await sendCall(chain, call, options)
  const [opened] = parseEventLogs({
    abi: challengeManagerAbi,
    logs: mined.logs,
    eventName: 'ChallengeOpened',
  })
  const { challengeId, terms, slotFee, attempt } = mustHave(opened, 'opening a challenge').args
  return {
    ...minedOf(mined),
    challengeId,
    terms: drawTermsOf(terms),
    slotFeeWei: slotFee,
    escrowWei: call.valueWei,
    attempt: Number(attempt),
  }
}
