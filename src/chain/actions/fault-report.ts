/** What the proofs of the four faults share: whom a report accuses, and what its proof earned. */
import { concat, type Hex, keccak256, parseEventLogs, toHex } from 'viem'
import type { Address } from '../../crypto/address.js'
import type { ResultValue } from '../../pob/result.js'
import type { Testimony } from '../../pob/slot.js'
import type { ChainCall } from '../call.js'
import type { Chain } from '../chain.js'
import { disputeGameAbi } from '../generated/dispute-game.js'
import { type ActionOptions, type Mined, minedOf, mustHave, sendCall } from '../send.js'

/** An announced report (see announceFault), to be proven in a later block. */
export interface FaultReport {
  readonly challengeId: Hex
  readonly accused: Address
  /** As it was announced. */
  readonly salt: Hex
  /** The pinned committee; empty where the prover is accused. */
  readonly committee: readonly Address[]
}

export interface SlotRun {
  readonly slot: number
  readonly attempt: number
}

/** A structure with its signature of 65 bytes. */
export interface Signed<T> {
  readonly value: T
  readonly signature: Uint8Array
}

export type SignedResult = Signed<ResultValue>

export interface ProvenFault extends Mined {
  /** The reporter's part, to be withdrawn with the bond: withdrawReward. */
  readonly rewardWei: bigint
}

/** An array enters an EIP-712 digest as the hash of its elements, so a proof brings that and not the array. */
export function hashOfRoots(roots: readonly Uint8Array[]): Hex {
  return keccak256(concat(roots.map((root) => toHex(root))))
}

export function toTestimonyBody(testimony: Testimony) {
  const { seed, ackListHash, ownMicros, rttMicros, latenessMicros, sentPackets } = testimony
  return {
    seed: toHex(seed),
    ackListHash: toHex(ackListHash),
    ownMicrosHash: keccak256(concat(ownMicros.map((time) => toHex(time, { size: 32 })))),
    rttMicros,
    latenessMicros,
    sentPackets,
  }
}

export async function sendProof(
  chain: Chain,
  call: ChainCall,
  options: ActionOptions | undefined,
): Promise<ProvenFault> {
  const mined = await sendCall(chain, call, options)
  const [proven] = parseEventLogs({ abi: disputeGameAbi, logs: mined.logs, eventName: 'FaultProven' })
  return { ...minedOf(mined), rewardWei: mustHave(proven, 'proving a fault').args.reward }
}

export function proofIntent(kind: string, { challengeId, accused, salt }: FaultReport): string {
  return `prove-${kind}:${challengeId}:${accused}:${salt}`
}
