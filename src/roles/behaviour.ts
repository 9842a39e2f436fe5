/**
 * The seams through which the laboratory makes a daemon misbehave. An honest node has the honest ones, and no
 * configuration or message can set others: only the laboratory's own entry points hand them in.
 */
import type { CaptureBehaviour, ProverPath, TrainBehaviour } from '../dataplane/index.js'
import type { Evidence } from '../pob/evidence.js'
import type { Commitment, SlotId, Testimony } from '../pob/slot.js'
import type { ChallengeDigests } from '../pob/structures.js'
import type { PlanBody } from './control-messages.js'
import type { CoordinatorRun } from './coordinator/run.js'

export type MemberStep = 'session' | 'plan' | 'arm' | 'reveal' | 'evidence' | 'sign'

/** Where a member stands when it testifies. */
export interface TestimonyContext {
  readonly digests: ChallengeDigests
  readonly id: SlotId
  readonly tauMicros: number
}

export interface ChallengerBehaviour {
  /** May throw, wait or end the process. `message` is what the member was asked with. */
  before(step: MemberStep, message: unknown): Promise<void>
  seed(drawn: Uint8Array, challengeId: Uint8Array, id: SlotId): Uint8Array
  seedHash(honest: Uint8Array, challengeId: Uint8Array, id: SlotId): Promise<Uint8Array>
  train(): TrainBehaviour | undefined
  testimony(
    honest: Omit<Testimony, 'signature'>,
    context: TestimonyContext,
  ): Promise<Omit<Testimony, 'signature'>>
}

export const honestChallenger: ChallengerBehaviour = {
  before: async () => {},
  seed: (drawn) => drawn,
  seedHash: async (honest) => honest,
  train: () => undefined,
  testimony: async (honest) => honest,
}

export interface ConsentTerms {
  readonly nonce: Uint8Array
  readonly expiresAt: number
  readonly maxBytes: number
  readonly signature: Uint8Array
}

export interface ProverBehaviour {
  /** Extra delay before probe-close, so that members see a longer round trip. */
  probeCloseDelayMs(): number
  /** A path is about to be opened, or, with `consent`, its consent to be given. */
  path(path: ProverPath, consent?: ConsentTerms): Promise<void>
  /** `members`: public keys in team order. */
  capture(
    id: SlotId,
    challengeId: Uint8Array,
    members: readonly Uint8Array[],
    train: { readonly packetCount: number; readonly tauMicros: number },
  ): Promise<CaptureBehaviour | undefined>
  /** It has signed these acks. */
  signed(digests: ChallengeDigests, id: SlotId, roots: readonly Uint8Array[]): Promise<void>
}

export const honestProver: ProverBehaviour = {
  probeCloseDelayMs: () => 0,
  path: async () => {},
  capture: async () => undefined,
  signed: async () => {},
}

/** Each is told of what the coordinator just got, or is about to do, and may ask anybody anything beside it. */
export interface CoordinatorBehaviour {
  beforePlan(run: CoordinatorRun, body: PlanBody): Promise<void>
  afterPlan(run: CoordinatorRun, body: PlanBody): Promise<void>
  committed(run: CoordinatorRun, id: SlotId, member: number, commitment: Commitment): Promise<void>
  revealed(run: CoordinatorRun, id: SlotId, member: number, testimony: Testimony): Promise<void>
  beforeVotes(run: CoordinatorRun, evidence: Evidence): Promise<void>
  /** `votes` and `signatures` by member, null for who gave none. */
  afterResult(
    run: CoordinatorRun,
    evidence: Evidence,
    votes: readonly (Uint8Array | null)[],
    signatures: readonly (Uint8Array | null)[],
  ): Promise<void>
}

export const honestCoordinator: CoordinatorBehaviour = {
  beforePlan: async () => {},
  afterPlan: async () => {},
  committed: async () => {},
  revealed: async () => {},
  beforeVotes: async () => {},
  afterResult: async () => {},
}
