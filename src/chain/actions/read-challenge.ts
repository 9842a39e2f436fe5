/** A challenge as the chain has it. */
import { type Hex, hexToBytes, toHex } from 'viem'
import type { Address } from '../../crypto/address.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'

export const CHALLENGE_STATUSES = ['none', 'open', 'fixed', 'settled', 'noResult', 'expired', 'void'] as const
export type ChallengeStatus = (typeof CHALLENGE_STATUSES)[number]

export interface ChallengeState {
  readonly challengeId: Hex
  readonly status: ChallengeStatus
  readonly profile: number
  /** n asked for. */
  readonly size: number
  /** f. */
  readonly faulty: number
  /** Members in the fixed committee. */
  readonly drawn: number
  readonly claimKbps: number
  /** Unix seconds: last second of settlement. */
  readonly settleBy: number
  /** Unix seconds: last second of disputes, where it is over. */
  readonly finalAt: number
  readonly slotFeeWei: bigint
  /** Of the committee's addresses once it is fixed. */
  readonly pin: Hex
  readonly refundTo: Address
  readonly prover: Address
  readonly proverFaulty: boolean
  readonly closed: boolean
  /** 32 bytes, zero without a result. */
  readonly evidenceHash: Uint8Array
  readonly guaranteedKbps: number
  readonly estimateKbps: number
  /** Bit i: member i is owed its fee / signed / is at fault / was paid. */
  readonly owed: bigint
  readonly signers: bigint
  readonly faults: bigint
  readonly claimed: bigint
}

export async function readChallenge(chain: Chain, challengeId: Hex | Uint8Array): Promise<ChallengeState> {
  const id = typeof challengeId === 'string' ? challengeId : toHex(challengeId)
  const stored = await chain.client.readContract({
    address: chain.deployment.contracts.challengeManager,
    abi: challengeManagerAbi,
    functionName: 'challengeOf',
    args: [id],
  })
  const { slotFee, evidenceHash, guaranteedKbps, estimateKbps, status, ...same } = stored
  return {
    ...same,
    challengeId: id,
    status: CHALLENGE_STATUSES[status] ?? 'none',
    slotFeeWei: slotFee,
    evidenceHash: hexToBytes(evidenceHash),
    guaranteedKbps: Number(guaranteedKbps),
    estimateKbps: Number(estimateKbps),
  }
}
