/** One challenge as its prover has it. */
import type { ProverPlane } from '../../dataplane/index.js'
import { mostAttempts } from '../../pob/assess.js'
import type { Committee } from '../../pob/committee.js'
import { offeredKbps, PACKET_BYTES, packetCountOf } from '../../pob/constants.js'
import { longestTauMicros, type Plan } from '../../pob/plan.js'
import { Direction, type Request } from '../../pob/request.js'
import type { ChallengeDigests } from '../../pob/structures.js'
import type { PathReport, ReportedStatistics } from '../control-messages.js'

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
  /** The prefix that asked. */
  readonly from: string
  readonly sinceMs: number
  readonly graceMs: number
  readonly paths: Map<number, Path>
  readonly captures: Map<string, SlotAnswer>
  /** Of an uplink, in place of captures. */
  readonly echoes: Map<string, ReportedStatistics>
  /** What its probes saw, by member. */
  reports: readonly PathReport[]
  committee?: Committee
  openedMs?: number
  plane?: ProverPlane
  plan?: Plan
  idle?: NodeJS.Timeout
  expiry?: NodeJS.Timeout
  running: boolean
  /** Whether a slot ran in which a member committed itself to send. */
  hasRun: boolean
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

/** Probes, keep-alives and acks' answers beside the trains. */
export const CONTROL_BYTES = 64 * 1024

/** Most bytes a request can bring: every slot as often and as long as its profile allows; an uplink sends all of it back. */
export function maxBytesOf({
  claimKbps,
  teams,
  profile,
  direction,
}: Pick<Request, 'claimKbps' | 'teams' | 'profile' | 'direction'>): number {
  const packets = packetCountOf(offeredKbps(claimKbps), longestTauMicros(profile))
  const ways = direction === Direction.up ? 2 : 1
  return ways * teams * mostAttempts(profile) * packets * PACKET_BYTES + CONTROL_BYTES
}
