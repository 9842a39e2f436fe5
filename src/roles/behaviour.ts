/**
 * The seams through which the laboratory makes a daemon misbehave. An honest node has the honest ones, and no
 * configuration or message can set others: only the laboratory's own entry point hands them in.
 */
import type { CaptureBehaviour, TrainBehaviour } from '../dataplane/index.js'
import type { SlotId, Testimony } from '../pob/slot.js'

export type MemberStep = 'session' | 'plan' | 'arm' | 'reveal' | 'evidence' | 'sign'

export interface ChallengerBehaviour {
  /** May throw, wait or end the process. */
  before(step: MemberStep): Promise<void>
  seed(drawn: Uint8Array, challengeId: Uint8Array, id: SlotId): Uint8Array
  seedHash(honest: Uint8Array): Uint8Array
  train(): TrainBehaviour | undefined
  testimony(
    honest: Omit<Testimony, 'signature'>,
    plan: { readonly tauMicros: number },
  ): Omit<Testimony, 'signature'>
}

export const honestChallenger: ChallengerBehaviour = {
  before: async () => {},
  seed: (drawn) => drawn,
  seedHash: (honest) => honest,
  train: () => undefined,
  testimony: (honest) => honest,
}

export interface ProverBehaviour {
  /** Extra delay before probe-close, so that members see a longer round trip. */
  probeCloseDelayMs(): number
  /** `members`: public keys in team order. */
  capture(
    id: SlotId,
    challengeId: Uint8Array,
    members: readonly Uint8Array[],
    packetCount: number,
  ): Promise<CaptureBehaviour | undefined>
}

export const honestProver: ProverBehaviour = {
  probeCloseDelayMs: () => 0,
  capture: async () => undefined,
}
