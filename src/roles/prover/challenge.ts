/** One challenge as its prover has it. */
import type { ProverPlane } from '../../dataplane/index.js'
import type { Committee } from '../../pob/committee.js'
import { MAX_ATTEMPTS, MAX_TAU_MICROS, PACKET_BYTES, packetCountOf } from '../../pob/constants.js'
import type { Plan } from '../../pob/plan.js'
import type { Request } from '../../pob/request.js'
import type { ChallengeDigests } from '../../pob/structures.js'
import type { ReportedStatistics } from '../control-messages.js'

export interface Path {
  readonly sessionId: Uint8Array
  readonly rttMicros: number
}

export interface Challenge {
  readonly id: string
  readonly request: Request
  readonly payerSignature: Uint8Array
  readonly digests: ChallengeDigests
  readonly acceptedAt: number
  readonly acceptanceSignature: Uint8Array
  readonly paths: Map<number, Path>
  readonly captures: Map<string, SlotAnswer>
  committee?: Committee
  plane?: ProverPlane
  plan?: Plan
  idle?: NodeJS.Timeout
  expiry?: NodeJS.Timeout
  running: boolean
}

export interface SlotAnswer {
  readonly capture: {
    orders: readonly Uint8Array[]
    counts: readonly (readonly number[])[]
    digests: readonly (readonly Uint8Array[])[]
    signature: Uint8Array
  }
  readonly statistics: ReportedStatistics
}

/** Most bytes a request can bring: every slot repeated, at the longest tau. */
export function maxBytesOf(request: Pick<Request, 'claimKbps' | 'teams'>): number {
  const offered = Math.ceil(request.claimKbps * 1.2)
  return request.teams * MAX_ATTEMPTS * packetCountOf(offered, MAX_TAU_MICROS) * PACKET_BYTES
}
