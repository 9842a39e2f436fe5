/** How a challenge was opened, and which committee was fixed: from the chain's own events. */
import { getAbiItem, type Hex, toHex } from 'viem'
import type { Address } from '../../crypto/address.js'
import type { DrawTerms } from '../../pob/seat-draw.js'
import type { Chain } from '../chain.js'
import { challengeManagerAbi } from '../generated/challenge-manager.js'
import { explainChainError } from '../reverts.js'
import { type ChainRequest, drawTermsOf } from '../structs.js'

const opened = getAbiItem({ abi: challengeManagerAbi, name: 'ChallengeOpened' })
const fixed = getAbiItem({ abi: challengeManagerAbi, name: 'CommitteeFixed' })
const settled = getAbiItem({ abi: challengeManagerAbi, name: 'ChallengeSettled' })

export interface ChallengeOpening {
  readonly challengeId: Hex
  readonly request: ChainRequest
  readonly terms: DrawTerms
  readonly acceptedAt: number
  readonly refundTo: Address
  readonly slotFeeWei: bigint
  readonly attempt: number
  readonly blockNumber: bigint
  readonly transactionHash: Hex
}

const idOf = (challengeId: Hex | Uint8Array): Hex =>
  typeof challengeId === 'string' ? challengeId : toHex(challengeId)

/** Undefined where no such challenge was opened. */
export async function readOpening(
  chain: Chain,
  challengeId: Hex | Uint8Array,
): Promise<ChallengeOpening | undefined> {
  const [log] = await logsOf(() =>
    chain.client.getLogs({
      address: chain.deployment.contracts.challengeManager,
      event: opened,
      args: { challengeId: idOf(challengeId) },
      fromBlock: BigInt(chain.deployment.deployedAtBlock),
      strict: true,
    }),
  )
  if (log === undefined) return undefined
  const { request, terms, acceptedAt, refundTo, slotFee, attempt } = log.args
  return {
    challengeId: log.args.challengeId,
    request,
    terms: drawTermsOf(terms),
    acceptedAt: Number(acceptedAt),
    refundTo,
    slotFeeWei: slotFee,
    attempt: Number(attempt),
    blockNumber: log.blockNumber,
    transactionHash: log.transactionHash,
  }
}

export interface FixedCommittee {
  /** Hot keys in the draw's order. */
  readonly committee: readonly Address[]
  /** n - f. */
  readonly quorum: number
  readonly transactionHash: Hex
}

/** Undefined before the committee is fixed. */
export async function readCommittee(
  chain: Chain,
  challengeId: Hex | Uint8Array,
): Promise<FixedCommittee | undefined> {
  const [log] = await logsOf(() =>
    chain.client.getLogs({
      address: chain.deployment.contracts.challengeManager,
      event: fixed,
      args: { challengeId: idOf(challengeId) },
      fromBlock: BigInt(chain.deployment.deployedAtBlock),
      strict: true,
    }),
  )
  return log === undefined
    ? undefined
    : {
        committee: log.args.committee,
        quorum: Number(log.args.quorum),
        transactionHash: log.transactionHash,
      }
}

/** The transaction that settled a challenge; undefined where none did. */
export async function readSettlement(
  chain: Chain,
  challengeId: Hex | Uint8Array,
): Promise<{ readonly transactionHash: Hex; readonly blockNumber: bigint } | undefined> {
  const [log] = await logsOf(() =>
    chain.client.getLogs({
      address: chain.deployment.contracts.challengeManager,
      event: settled,
      args: { challengeId: idOf(challengeId) },
      fromBlock: BigInt(chain.deployment.deployedAtBlock),
    }),
  )
  return log === undefined
    ? undefined
    : { transactionHash: log.transactionHash, blockNumber: log.blockNumber }
}

async function logsOf<T>(ask: () => Promise<readonly T[]>): Promise<readonly T[]> {
  return ask().catch((error: unknown) => {
    throw explainChainError(error, 'reading the challenge')
  })
}
