/** Fees that a member has earned: from the chain's own events, so that nothing local has to be kept for them. */
import { getAbiItem, type Hex } from 'viem'
import type { Address } from '../../crypto/address.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { readLogs } from '../logs.js'
import type { ClaimItem } from './claim-fees.js'
import { readChallenge } from './read-challenge.js'

const settled = getAbiItem({ abi: challengeManagerAbi, name: 'ChallengeSettled' })
const fixed = getAbiItem({ abi: challengeManagerAbi, name: 'CommitteeFixed' })
/** Asked at once. */
const BATCH = 16

export interface EarnedFee extends ClaimItem {
  readonly amountWei: bigint
  /** Unix seconds: from the next one on it can be claimed. */
  readonly finalAt: number
  readonly isDue: boolean
}

/**
 * Fees owed and not yet claimed, oldest first; due ones can be claimed now.
 * @param fromBlock where to begin; the deployment unless given
 */
export async function findClaims(
  chain: Chain,
  member: Address,
  options: { readonly fromBlock?: bigint; readonly signal?: AbortSignal } = {},
): Promise<readonly EarnedFee[]> {
  const { blockNumber, timestamp } = await chain.clock()
  const logs = await readLogs(chain.client, {
    address: chain.deployment.contracts.challengeManager,
    events: [fixed, settled],
    fromBlock: options.fromBlock ?? BigInt(chain.deployment.deployedAtBlock),
    toBlock: blockNumber,
    signal: options.signal,
  })
  const committees = new Map<Hex, readonly Address[]>()
  const owed: ClaimItem[] = []
  for (const log of logs) {
    const { challengeId } = log.args
    if (log.eventName === 'CommitteeFixed') committees.set(challengeId, log.args.committee)
    else {
      const committee = committees.get(challengeId) ?? []
      const index = committee.indexOf(member)
      const isOwed = index >= 0 && (log.args.outcome.owed >> BigInt(index)) & 1n
      if (isOwed) owed.push({ challengeId, index, committee })
    }
  }
  const earned: EarnedFee[] = []
  for (let at = 0; at < owed.length; at += BATCH) {
    const states = owed.slice(at, at + BATCH).map((item) => earnedOf(chain, item, timestamp))
    for (const fee of await Promise.all(states)) if (fee !== undefined) earned.push(fee)
  }
  return earned
}

/** Undefined where it was paid or a fault forfeited it. */
async function earnedOf(chain: Chain, item: ClaimItem, timestamp: number): Promise<EarnedFee | undefined> {
  const { status, finalAt, slotFeeWei, faults, claimed } = await readChallenge(chain, item.challengeId)
  if ((faults | claimed) & (1n << BigInt(item.index))) return undefined
  const amountWei = status === 'settled' ? slotFeeWei : 2n * chain.terms.attemptShareWei
  return { ...item, amountWei, finalAt, isDue: timestamp > finalAt }
}
