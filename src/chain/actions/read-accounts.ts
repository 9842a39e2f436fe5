/** Money that the contracts hold for an address. */
import type { Address } from '../../crypto/address.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { disputeGameAbi } from '../generated/dispute-game.js'

export interface ProverAccount {
  /** Of the deposit, not bound by a challenge. */
  readonly freeWei: bigint
  /** Unix seconds of the latest round that a challenge of it named. */
  readonly lastDraw: number
  /** Challenges opened so far. */
  readonly opened: number
}

export async function readProverAccount(chain: Chain, prover: Address): Promise<ProverAccount> {
  const { free, lastDraw, opened } = await chain.client.readContract({
    address: chain.deployment.contracts.challengeManager,
    abi: challengeManagerAbi,
    functionName: 'accountOf',
    args: [prover],
  })
  return { freeWei: free, lastDraw, opened }
}

export interface Credits {
  /** Refunds of challenges. */
  readonly refundsWei: bigint
  /** Rewards and returned bonds of reports. */
  readonly rewardsWei: bigint
}

export async function readCredits(chain: Chain, account: Address): Promise<Credits> {
  const { challengeManager, disputeGame } = chain.deployment.contracts
  const [refundsWei, rewardsWei] = await Promise.all([
    chain.client.readContract({
      address: challengeManager,
      abi: challengeManagerAbi,
      functionName: 'credits',
      args: [account],
    }),
    chain.client.readContract({
      address: disputeGame,
      abi: disputeGameAbi,
      functionName: 'credits',
      args: [account],
    }),
  ])
  return { refundsWei, rewardsWei }
}
