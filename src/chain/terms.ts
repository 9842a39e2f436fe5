/** The numbers that a deployment fixed for good, read from its contracts. */
import type { PublicClient } from 'viem'
import type { ContractAddresses } from './deployment.js'
import { challengeManagerAbi } from './generated/challenge-manager.js'
import { disputeGameAbi } from './generated/dispute-game.js'
import { paymentChannelsAbi } from './generated/payment-channels.js'
import { stakeRegistryAbi } from './generated/stake-registry.js'

export interface ChainTerms {
  readonly seatStakeWei: bigint
  readonly unbondingSeconds: number
  readonly quarantineSeconds: number
  readonly slashPermille: number
  readonly rewardPermille: number
  readonly activationDelaySeconds: number
  readonly maxSnapshotAgeSeconds: number
  readonly driftMarginSeconds: number
  readonly maxLeadSeconds: number
  readonly maxLifeSeconds: number
  readonly settleWindowSeconds: number
  readonly disputeWindowSeconds: number
  readonly minSlotFeeWei: bigint
  readonly attemptShareWei: bigint
  readonly proverBondWei: bigint
  /** Bit p allows profile p. */
  readonly profiles: number
  /** What an announcement of a fault holds until its proof. */
  readonly reportBondWei: bigint
  /** What a payee has for redeeming from a payer's wish to leave on; 0 where the deployment has no payment channels. */
  readonly channelChallengeSeconds: number
}

export async function readTerms(client: PublicClient, contracts: ContractAddresses): Promise<ChainTerms> {
  const registry = { address: contracts.stakeRegistry, abi: stakeRegistryAbi } as const
  const manager = { address: contracts.challengeManager, abi: challengeManagerAbi } as const
  const disputes = { address: contracts.disputeGame, abi: disputeGameAbi } as const
  const ofRegistry = (
    functionName: 'SEAT_STAKE' | 'UNBONDING' | 'QUARANTINE' | 'SLASH_PERMILLE' | 'REWARD_PERMILLE',
  ) => client.readContract({ ...registry, functionName })
  const ofManager = (
    functionName:
      | 'ACTIVATION_DELAY'
      | 'MAX_SNAPSHOT_AGE'
      | 'DRIFT_MARGIN'
      | 'MAX_LEAD'
      | 'MAX_LIFE'
      | 'SETTLE_WINDOW'
      | 'DISPUTE_WINDOW'
      | 'MIN_SLOT_FEE'
      | 'ATTEMPT_SHARE'
      | 'PROVER_BOND'
      | 'PROFILES',
  ) => client.readContract({ ...manager, functionName })
  const [ofTheRegistry, ofTheManager, reportBondWei, channelChallengeSeconds] = await Promise.all([
    Promise.all([
      ofRegistry('SEAT_STAKE'),
      ofRegistry('UNBONDING'),
      ofRegistry('QUARANTINE'),
      ofRegistry('SLASH_PERMILLE'),
      ofRegistry('REWARD_PERMILLE'),
    ]),
    Promise.all([
      ofManager('ACTIVATION_DELAY'),
      ofManager('MAX_SNAPSHOT_AGE'),
      ofManager('DRIFT_MARGIN'),
      ofManager('MAX_LEAD'),
      ofManager('MAX_LIFE'),
      ofManager('SETTLE_WINDOW'),
      ofManager('DISPUTE_WINDOW'),
      ofManager('MIN_SLOT_FEE'),
      ofManager('ATTEMPT_SHARE'),
      ofManager('PROVER_BOND'),
      ofManager('PROFILES'),
    ]),
    client.readContract({ ...disputes, functionName: 'BOND' }),
    contracts.paymentChannels === null
      ? 0
      : client.readContract({
          address: contracts.paymentChannels,
          abi: paymentChannelsAbi,
          functionName: 'CHALLENGE_PERIOD',
        }),
  ])
  const [seatStake, unbonding, quarantine, slash, reward] = ofTheRegistry
  const [delay, age, drift, lead, life, settle, dispute, fee, share, bond, profiles] = ofTheManager
  return {
    seatStakeWei: BigInt(seatStake),
    unbondingSeconds: Number(unbonding),
    quarantineSeconds: Number(quarantine),
    slashPermille: Number(slash),
    rewardPermille: Number(reward),
    activationDelaySeconds: Number(delay),
    maxSnapshotAgeSeconds: Number(age),
    driftMarginSeconds: Number(drift),
    maxLeadSeconds: Number(lead),
    maxLifeSeconds: Number(life),
    settleWindowSeconds: Number(settle),
    disputeWindowSeconds: Number(dispute),
    minSlotFeeWei: BigInt(fee),
    attemptShareWei: BigInt(share),
    proverBondWei: BigInt(bond),
    profiles: Number(profiles),
    reportBondWei,
    channelChallengeSeconds,
  }
}

/** The prover's bond for a committee: the forfeitable part and its half of attempt fees. */
export function bondFor(terms: ChainTerms, committeeSize: number): bigint {
  return terms.proverBondWei + BigInt(committeeSize) * terms.attemptShareWei
}
