/** One challenge as a member has it. */
import type { Committee } from '../../pob/committee.js'
import type { QualityFlag } from '../../pob/flags.js'
import type { Plan } from '../../pob/plan.js'
import type { Request } from '../../pob/request.js'
import type { ResultValue } from '../../pob/result.js'
import type { Commitment, Testimony } from '../../pob/slot.js'
import type { ChallengeDigests } from '../../pob/structures.js'

export interface Attempt {
  readonly seed: Uint8Array
  readonly commitment: Commitment
  /** Milliseconds since the Unix epoch: armed or running until then at the latest. */
  readonly armedUntilMs: number
  testimony?: Testimony
  /** On the data plane's clock, as reported with the testimony. */
  firstSendMicros?: number
  /** The prover's list of acks that the testimony is about, as it signed it. */
  ackList?: { readonly value: readonly Uint8Array[]; readonly signature: Uint8Array }
}

export interface Challenge {
  readonly id: string
  readonly request: Request
  readonly digests: ChallengeDigests
  readonly committee: Committee
  /** The round's, which drew the committee. */
  readonly beaconSignature: Uint8Array
  readonly memberIndex: number
  /** Where it was asked for from: see places.ts. */
  readonly from: string
  readonly sessionId: Uint8Array
  readonly sessionKey: Uint8Array
  readonly attempts: Map<string, Attempt>
  /** Being made: who asks twice gets one. */
  readonly arming: Map<string, Promise<Commitment>>
  /** Milliseconds since the Unix epoch. */
  readonly admittedMs: number
  sessionOpen: boolean
  plan?: Plan
  planSignature?: Uint8Array
  /** Recomputed evidence by hash, as voted for; the evidence itself is in the store, so that anyone can settle. */
  result?: ResultValue
  /** Of the assessment behind that. */
  flags?: readonly QualityFlag[]
}

/** Whether this member is in a team; the others sign without sending. */
export function sendsIn({ committee, memberIndex }: Challenge): boolean {
  return memberIndex < committee.teamSize * committee.teams
}
