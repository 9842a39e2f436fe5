/** Pays a member's fees of many challenges to its cold wallet, in as few transactions as a block's gas allows. */
import { type Hex, parseEventLogs } from 'viem'
import type { Address } from '../../crypto/address.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { type ActionOptions, type Mined, minedOf, sendCall } from '../send.js'

/** About 40,000 gas each and 25,000 for a committee of 64: far below a transaction's 16.7 million. */
export const CLAIMS_PER_TRANSACTION = 50

export interface ClaimItem {
  readonly challengeId: Hex
  /** The member's place in the committee. */
  readonly index: number
  /** The pinned committee. */
  readonly committee: readonly Address[]
}

export interface ClaimFeesParameters {
  /** The hot key that served. */
  readonly member: Address
  readonly items: readonly ClaimItem[]
}

export interface ClaimedFees {
  readonly transactions: readonly Mined[]
  /** Paid to the member's cold wallet. */
  readonly amountWei: bigint
  readonly challenges: number
  readonly feeWei: bigint
}

/** One transaction for at most {@link CLAIMS_PER_TRANSACTION} items. */
export function claimFeesCall(chain: Chain, { member, items }: ClaimFeesParameters): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.challengeManager,
    abi: challengeManagerAbi,
    functionName: 'claim',
    args: [member, items.map((item) => ({ ...item, index: BigInt(item.index) }))],
    what: 'claiming fees',
  })
}

/** Anyone may call it; items that are not due are passed over. @throws UserError NOT_FOUND where none is due */
export async function claimFees(
  chain: Chain,
  { member, items }: ClaimFeesParameters,
  options?: ActionOptions,
): Promise<ClaimedFees> {
  const transactions: Mined[] = []
  let [amountWei, challenges] = [0n, 0]
  for (let at = 0; at < items.length; at += CLAIMS_PER_TRANSACTION) {
    const call = claimFeesCall(chain, { member, items: items.slice(at, at + CLAIMS_PER_TRANSACTION) })
    const mined = await sendCall(chain, call, options)
    transactions.push(minedOf(mined))
    const paid = parseEventLogs({ abi: challengeManagerAbi, logs: mined.logs, eventName: 'MemberPaid' })
    amountWei += paid.reduce((sum, { args }) => sum + args.amount, 0n)
    challenges += paid.length
  }
  const feeWei = transactions.reduce((sum, each) => sum + each.feeWei, 0n)
  return { transactions, amountWei, challenges, feeWei }
}
