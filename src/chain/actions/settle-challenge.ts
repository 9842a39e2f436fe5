/** Settles a challenge with the signatures of n - f members over one Result. */
import { concat, encodeAbiParameters, type Hex, parseEventLogs, toHex } from 'viem'
import type { Address } from '../../crypto/address.js'
import type { ResultValue } from '../../pob/result.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { type ActionOptions, type Mined, minedOf, mustHave, sendCall } from '../send.js'
import { signerBits, toOutcome } from '../structs.js'

export interface SettleChallengeParameters {
  readonly challengeId: Hex
  /** The pinned committee's hot keys, in order. */
  readonly committee: readonly Address[]
  /** evidenceHash of zeros with both rates zero says that the prover never revealed. */
  readonly result: ResultValue
  /** In committee order, 65 bytes each; null for who did not sign. */
  readonly signatures: readonly (Uint8Array | null)[]
}

export interface SettledChallenge extends Mined {
  readonly status: 'settled' | 'noResult'
  /** Bit i: member i signed. */
  readonly signers: bigint
}

/** EcdsaAttestationVerifier's proof: committee, bitmap, signatures in the order of the set bits. */
export function attestationProof(
  committee: readonly Address[],
  signatures: readonly (Uint8Array | null)[],
): Hex {
  const given = signatures.filter((each) => each !== null)
  return encodeAbiParameters(
    [{ type: 'address[]' }, { type: 'uint256' }, { type: 'bytes' }],
    [[...committee], signerBits(signatures), concat(given.map((each) => toHex(each)))],
  )
}

export function settleChallengeCall(chain: Chain, parameters: SettleChallengeParameters): ChainCall {
  const { challengeId, committee, result, signatures } = parameters
  return contractCall({
    to: chain.deployment.contracts.challengeManager,
    abi: challengeManagerAbi,
    functionName: 'settle',
    args: [challengeId, toOutcome(result), attestationProof(committee, signatures)],
    what: 'settling the challenge',
    intent: `settle:${challengeId}`,
  })
}

/** Anyone may call it; the first result stands. */
export async function settleChallenge(
  chain: Chain,
  parameters: SettleChallengeParameters,
  options?: ActionOptions,
): Promise<SettledChallenge> {
  const mined = await sendCall(chain, settleChallengeCall(chain, parameters), options)
  const [settled] = parseEventLogs({
    abi: challengeManagerAbi,
    logs: mined.logs,
    eventName: 'ChallengeSettled',
  })
  const { signers } = mustHave(settled, 'settling a challenge').args
  const hasResult = parameters.result.evidenceHash.some((byte) => byte !== 0)
  return { ...minedOf(mined), status: hasResult ? 'settled' : 'noResult', signers }
}
