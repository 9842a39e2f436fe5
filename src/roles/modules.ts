/** What a role is built from: handed in, so that tests and the laboratory hand in others. */
import type { Signer } from '../crypto/identity.js'
import type { QualityFlag } from '../pob/flags.js'
import type { FaultScope, ProvableFault } from '../pob/provable-faults.js'
import type { Logger } from '../telemetry/logger.js'
import type { CommitteeSource } from './committee-source.js'
import type { ControlMessage, PathReport } from './control-messages.js'
import type { SlotReport } from './coordinator/types.js'

/** Who asks. */
export interface Remote {
  /** Compressed key of the authenticated peer, 33 bytes. */
  readonly publicKey: Uint8Array
  readonly peerId: string
  /** Its multiaddr, or its relay's. */
  readonly address?: string
}

/** Where a peer may be reached: its key, and addresses where known. */
export interface PeerTarget {
  readonly publicKey: Uint8Array
  readonly addresses: readonly string[]
}

/** Authenticated request and response over libp2p; non-ok answers come as RemoteError. */
export interface ControlPlane {
  handle<Q, R>(
    message: ControlMessage<Q, R>,
    handler: (request: Q, remote: Remote, signal: AbortSignal) => Promise<R>,
    /** `admit`: whether a long message is read from that peer at all. */
    options?: { readonly admit?: (remote: Remote) => boolean },
  ): Promise<void>
  request<Q, R>(
    peer: PeerTarget,
    message: ControlMessage<Q, R>,
    body: Q,
    options?: { readonly signal?: AbortSignal; readonly deadlineMs?: number },
  ): Promise<R>
}

/** Where a challenge stands. */
export interface ChallengeNote {
  readonly id: string
  readonly role: 'prover' | 'challenger'
  readonly phase: 'accepted' | 'planned' | 'voted' | 'signed' | 'finished' | 'abandoned'
  readonly claimKbps: number
  /** Compressed public keys. */
  readonly prover: Uint8Array
  readonly payer: Uint8Array
}

/** What a node saw of a challenge that its transcript does not hold. */
export interface SeenBeside {
  /** A prover's own probes and arrivals. */
  readonly paths?: readonly PathReport[]
  readonly statistics?: readonly SlotReport[]
  /** Of a member's own assessment. */
  readonly flags?: readonly QualityFlag[]
}

/** Durable state that the roles' safety rests on. Every method returns after the write is synced. */
export interface SafetyStore {
  /** First digest under a key is granted for ever; the same again is a repeat, another a conflict. */
  signOnce(key: string, digest: Uint8Array): Promise<'granted' | 'repeat' | 'conflict'>
  /** The digest that was granted under a key, if any. */
  lockedDigest(key: string): Promise<Uint8Array | undefined>
  /** False where the id was used before. */
  useOnce(id: string, expiresAtMs: number): Promise<boolean>
  saveTranscript(challengeId: string, transcript: Uint8Array, beside?: SeenBeside): Promise<void>
  /** The evidence that was voted for, so that anyone can finish and settle later. */
  saveEvidence(challengeId: string, evidence: Uint8Array): Promise<void>
  /** What was saved under that id, if it is still there. */
  keptEvidence(challengeId: string): Promise<Uint8Array | undefined>
  /** A fault that two signatures prove, as a file that anybody can check. The same fault again changes nothing. */
  keepFault(scope: FaultScope, fault: ProvableFault): Promise<void>
  /** For `status` and for whoever asks after a restart what became of a challenge. */
  noteChallenge(note: ChallengeNote): Promise<void>
}

export interface RoleModules {
  readonly identity: Signer
  readonly control: ControlPlane
  readonly store: SafetyStore
  /** Where committees come from; the first that judges a request's domain. */
  readonly committees: readonly CommitteeSource[]
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number
  readonly log: Logger
}
