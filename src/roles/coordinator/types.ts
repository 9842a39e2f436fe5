/** What a coordinator is asked for, what it tells on the way, and what comes out. */
import type { Assessment } from '../../pob/assess.js'
import type { Committee } from '../../pob/committee.js'
import type { Evidence } from '../../pob/evidence.js'
import type { FirstSend } from '../../pob/joint/first-send.js'
import type { Plan } from '../../pob/plan.js'
import type { FaultScope, ProvableFault } from '../../pob/provable-faults.js'
import type { DirectionName, ProfileName, Request } from '../../pob/request.js'
import type { AvailableBandwidth } from '../../pob/telemetry/available.js'
import type { CoordinatorBehaviour } from '../behaviour.js'
import type { PathReport, ReportedStatistics } from '../control-messages.js'
import type { PeerTarget, RoleModules } from '../modules.js'
import type { Venue } from '../venue.js'
import type { LockstepParty } from './lockstep.js'

export interface ChallengeOrder {
  readonly prover: PeerTarget
  /** down by default. */
  readonly direction?: DirectionName
  readonly profile: ProfileName
  /** Look for the available bandwidth too. */
  readonly available?: boolean
  readonly claimKbps: number
  readonly committeeSize: number
  readonly faulty: number
  /** Strict only: slots to run. */
  readonly teams?: number
  readonly betaMillionths?: number
  readonly deltaMillionths?: number
  /** With other challenges at the same moments: every slot once, and none left out. */
  readonly lockstep?: LockstepParty
}

/** What happens, as it happens: for progress bars and `--json-stream`. */
export type ProgressEvent =
  | {
      readonly event: 'requested'
      readonly challengeId: string
      readonly round: number
      readonly waitSeconds: number
      /** What the slots will move: at the shortest slot without repeats, and at most. Told before anything is paid. */
      readonly leastBytes: number
      readonly mostBytes: number
    }
  | {
      readonly event: 'drawn'
      readonly committee: readonly string[]
      readonly teams: number
      readonly teamSize: number
      readonly memberRateMbps: number
      readonly allOn: boolean
    }
  | { readonly event: 'paths'; readonly paths: readonly PathReport[]; readonly tauMs: number }
  | { readonly event: 'slot_started'; readonly slot: number; readonly attempt: number; readonly of: number }
  | {
      readonly event: 'slot_ended'
      readonly slot: number
      readonly attempt: number
      readonly valueMbps: number
      readonly dirty: boolean
      readonly failed: boolean
    }
  | {
      /** A train at a stepped rate, in search of the available bandwidth. */
      readonly event: 'step'
      readonly rateMbps: number
      readonly deliveredShare: number
      readonly growthMicros: number
    }
  | {
      /** Strict: what was chosen from beta, delta and the pool, and what it risks there. */
      readonly event: 'chosen'
      readonly challengers: number
      readonly teams: number
      readonly teamSize: number
      readonly cleanTeams: number
      readonly faulty: number
      readonly pool: number
      readonly riskOfWrongGuarantee: number
    }
  | {
      /** What a challenge on a chain costs its payer, before anything is sent. */
      readonly event: 'quoted'
      readonly feeWei: string
      readonly gasFeeWei: string
      readonly haveWei: string
    }
  | {
      /** A transaction of the payer's, on a chain. */
      readonly event: 'transaction'
      readonly step: string
      readonly txHash: string
      readonly gasUsed: number
      readonly feeWei: string
    }
  | {
      /** A member's fault that two of its signatures prove; the file is the proof. */
      readonly event: 'fault'
      readonly kind: string
      readonly accused: string
      readonly path: string
    }
  | { readonly event: 'voted'; readonly votes: number; readonly needed: number }
  | { readonly event: 'signed'; readonly signatures: number; readonly needed: number }

/** What a prover says of one attempt at a slot. */
export type SlotReport = ReportedStatistics & { readonly slot: number }

export interface ChallengeOutcome {
  readonly challengeId: Uint8Array
  readonly request: Request
  readonly plan: Plan
  readonly committee: Committee
  readonly assessment: Assessment
  readonly evidence: Evidence
  readonly evidenceHash: Uint8Array
  readonly transcript: Uint8Array
  readonly paths: readonly PathReport[]
  readonly statistics: readonly SlotReport[]
  readonly available?: AvailableBandwidth
  /** In lockstep: when each member of a slot's team began to send; null for who did not say. */
  readonly firstSends?: ReadonlyMap<number, readonly (FirstSend | null)[]>
  /** Over the result, by member; null for who did not sign. */
  readonly signatures: readonly (Uint8Array | null)[]
  readonly durationMs: number
  /** Most layer-3 bytes that it moved: all trains that were told to start, and what goes beside them. */
  readonly trafficBytes: number
  /** Members that failed to answer a step, by index. */
  readonly unresponsive: readonly number[]
}

export interface CoordinatorModules extends Omit<RoleModules, 'committees' | 'store'> {
  readonly venue: Venue
  readonly onProgress?: (event: ProgressEvent) => void
  /** Told of more bytes on the prover's line, just before they are there: also of a challenge that fails afterwards. */
  readonly onTraffic?: (bytes: number) => void
  /** Keeps the proof of a fault that came to light. */
  readonly keepFault?: (scope: FaultScope, fault: ProvableFault) => Promise<void>
  /** The laboratory's corrupt coordinator only. */
  readonly behaviour?: CoordinatorBehaviour
}
