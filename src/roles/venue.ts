/**
 * Where a payer asks for a challenge and has it settled: nowhere but among the parties (registry-venue.ts), or on a
 * chain (node/chain-venue.ts).
 */
import type { Committee } from '../pob/committee.js'
import type { RegistryEntry } from '../pob/registry.js'
import type { Request } from '../pob/request.js'
import type { ResultValue } from '../pob/result.js'

/** What of a request the venue decides. */
export interface VenueTerms {
  readonly chainId: number
  /** 20 bytes, zero without a chain. */
  readonly verifyingContract: Uint8Array
  readonly registryHash: Uint8Array
  readonly beaconChain: Uint8Array
  readonly beaconRound: number
  /** Unix seconds. */
  readonly expiresAt: number
}

export interface AcceptedRequest {
  readonly request: Request
  readonly challengeId: Uint8Array
  /** Unix seconds, as the prover signed it. */
  readonly acceptedAt: number
  readonly acceptanceSignature: Uint8Array
}

export interface DrawnCommittee {
  /** 48 bytes, verified. */
  readonly beaconSignature: Uint8Array
  readonly committee: Committee
}

export interface SignedResult {
  readonly request: Request
  readonly challengeId: Uint8Array
  readonly committee: Committee
  readonly result: ResultValue
  /** By member; null for who did not sign. */
  readonly signatures: readonly (Uint8Array | null)[]
}

/** Whom a venue's challenges can be drawn from. */
export interface DrawPool {
  /** Whether the size of the pool enters strict's j and f; the chain's contract reckons with independent draws. */
  readonly poolCounts: boolean
  /** Those that could be drawn now, for whoever chooses how many to ask for. @throws UserError */
  pool(parties: Pick<Request, 'prover' | 'payer' | 'coordinator'>): Promise<readonly RegistryEntry[]>
}

export interface Venue {
  /**
   * For a request of now. @param late so many before it reached the prover too late: the round is to be a later one
   * @throws UserError
   */
  terms(signal?: AbortSignal, late?: number): Promise<VenueTerms>
  /** Asked before the prover spends its turn: whether there could be a committee at all. @throws UserError */
  requireCommittee(request: Request, signal?: AbortSignal): Promise<void>
  /** When the named round comes out, Unix seconds. */
  roundTime(request: Request): number
  /** The prover has accepted: on a chain the money is locked now. @throws UserError */
  opened(accepted: AcceptedRequest, signal?: AbortSignal): Promise<void>
  /** Waits for the round and has the committee drawn. @throws UserError */
  draw(request: Request, signal?: AbortSignal): Promise<DrawnCommittee>
  /** Enough members have signed. @throws UserError where the result cannot be settled; the members can still do it */
  settle(signed: SignedResult, signal?: AbortSignal): Promise<void>
}
