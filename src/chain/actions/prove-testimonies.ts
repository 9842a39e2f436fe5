/** Two Testimonies of a member for one (challenge, slot, attempt). */
import { toHex } from 'viem'
import type { Testimony } from '../../pob/slot.js'
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

export interface ProveTestimoniesParameters {
  readonly report: FaultReport
  readonly run: SlotRun
  readonly testimonies: readonly [Testimony, Testimony]
}

export function proveTestimoniesCall(
  chain: Chain,
  { report, run, testimonies: [a, b] }: ProveTestimoniesParameters,
): ChainCall {
  return contractCall({
    to: chain.deployment.contracts.disputeGame,
    abi: disputeGameAbi,
    functionName: 'proveTestimonies',
    args: [
      report,
      run.slot,
      run.attempt,
      toTestimonyBody(a),
      toHex(a.signature),
      toTestimonyBody(b),
      toHex(b.signature),
    ],
    what: 'proving a fault',
    intent: proofIntent('testimonies', report),
  })
}

/** The member loses a part of its stake, its seats and its fee. */
export function proveTestimonies(
  chain: Chain,
  parameters: ProveTestimoniesParameters,
  options?: ActionOptions,
): Promise<ProvenFault> {
  return sendProof(chain, proveTestimoniesCall(chain, parameters), options)
}
