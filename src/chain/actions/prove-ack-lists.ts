/** Two AckLists of the prover for one (challenge, slot, attempt). */
import { toHex } from 'viem'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { disputeGameAbi } from '../generated/dispute-game.js'
import type { ActionOptions } from '../send.js'
import {
  type FaultReport,
  hashOfRoots,
  type ProvenFault,
  proofIntent,
  type Signed,
  type SlotRun,
  sendProof,
} from './fault-report.js'

type AckRoots = Signed<readonly Uint8Array[]>

export interface ProveAckListsParameters {
  /** Accuses the prover; no committee. */
  readonly report: FaultReport
  readonly run: SlotRun
  /** The roots that each list signs. */
  readonly lists: readonly [AckRoots, AckRoots]
}

export function proveAckListsCall(
  chain: Chain,
  { report, run, lists: [a, b] }: ProveAckListsParameters,
): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.disputeGame,
    abi: disputeGameAbi,
    functionName: 'proveAckLists',
    args: [
      report,
      run.slot,
      run.attempt,
      hashOfRoots(a.value),
      toHex(a.signature),
      hashOfRoots(b.value),
      toHex(b.signature),
    ],
    what: 'proving a fault',
    intent: proofIntent('ack-lists', report),
  })
}

/** The prover forfeits its bond. @throws UserError where the lists are the same, or not signed by the accused */
export function proveAckLists(
  chain: Chain,
  parameters: ProveAckListsParameters,
  options?: ActionOptions,
): Promise<ProvenFault> {
  return sendProof(chain, proveAckListsCall(chain, parameters), options)
}
