/** Two Results of a member for one challenge, "no result" included. */
import { toHex } from 'viem'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { disputeGameAbi } from '../generated/dispute-game.js'
import type { ActionOptions } from '../send.js'
import { toOutcome } from '../structs.js'
import {
  type FaultReport,
  type ProvenFault,
  proofIntent,
  type SignedResult,
  sendProof,
} from './fault-report.js'

export interface ProveResultsParameters {
  readonly report: FaultReport
  readonly results: readonly [SignedResult, SignedResult]
}

export function proveResultsCall(
  chain: Chain,
  { report, results: [a, b] }: ProveResultsParameters,
): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.disputeGame,
    abi: disputeGameAbi,
    functionName: 'proveResults',
    args: [report, toOutcome(a.value), toHex(a.signature), toOutcome(b.value), toHex(b.signature)],
    what: 'proving a fault',
    intent: proofIntent('results', report),
  })
}

/** The member loses a part of its stake, its seats and its fee. */
export function proveResults(
  chain: Chain,
  parameters: ProveResultsParameters,
  options?: ActionOptions,
): Promise<ProvenFault> {
  return sendProof(chain, proveResultsCall(chain, parameters), options)
}
