/** A Testimony whose seed is not the one of the member's own Commitment. */
import { toHex } from 'viem'
import type { Commitment, Testimony } from '../../pob/slot.js'
import { type ChainCall, contractCall } from '../call.js'
import type { Chain } from '../chain.js'
import { disputeGameAbi } from '../generated/dispute-game.js'
import type { ActionOptions } from '../send.js'
import {
  type FaultReport,
  type ProvenFault,
  proofIntent,
  type SlotRun,
  sendProof,
  toTestimonyBody,
} from './fault-report.js'

export interface ProveSeedParameters {
  readonly report: FaultReport
  readonly run: SlotRun
  readonly commitment: Commitment
  readonly testimony: Testimony
}

export function proveSeedCall(
  chain: Chain,
  { report, run, commitment, testimony }: ProveSeedParameters,
): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.disputeGame,
    abi: disputeGameAbi,
    functionName: 'proveSeed',
    args: [
      report,
      run.slot,
      run.attempt,
      {
        seedHash: toHex(commitment.seedHash),
        rateKbps: BigInt(commitment.rateKbps),
        packetCount: commitment.packetCount,
      },
      toHex(commitment.signature),
      toTestimonyBody(testimony),
      toHex(testimony.signature),
    ],
    what: 'proving a fault',
    intent: proofIntent('seed', report),
  })
}

/** The member loses a part of its stake, its seats and its fee. */
export function proveSeed(
  chain: Chain,
  parameters: ProveSeedParameters,
  options?: ActionOptions,
): Promise<ProvenFault> {
  return sendProof(chain, proveSeedCall(chain, parameters), options)
}
