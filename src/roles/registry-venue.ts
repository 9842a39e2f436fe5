/** A challenge among the parties alone: the registry is a file, nothing is settled. */
import { type BeaconInfo, firstRoundFrom, timeOfRound, verifyRound } from '../crypto/beacon.js'
import { UserError } from '../errors.js'
import { type Committee, drawCommittee, poolOf } from '../pob/committee.js'
import { BEACON_MARGIN_SECONDS } from '../pob/constants.js'
import type { Registry, RegistryEntry } from '../pob/registry.js'
import type { Request } from '../pob/request.js'
import type { DrawnCommittee, DrawPool, Venue, VenueTerms } from './venue.js'

/** Time to reach the prover and have it check the request, on top of the beacon's margin. */
const ACCEPT_SECONDS = 1
/** More of it for a prover that was slower, or further away, than that. */
const LATE_SECONDS = 4
const REQUEST_VALIDITY_SECONDS = 120

export interface RegistryVenueModules {
  readonly registry: () => Registry
  readonly beacon: BeaconInfo
  /** The verified signature of a round, waiting for it where it is not out yet. */
  readonly fetchRound: (round: number, signal?: AbortSignal) => Promise<Uint8Array>
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number
}

export class RegistryVenue implements Venue, DrawPool {
  readonly poolCounts = true

  constructor(readonly modules: RegistryVenueModules) {}

  async terms(_signal?: AbortSignal, late = 0): Promise<VenueTerms> {
    const { registry, beacon, now } = this.modules
    const nowSeconds = now() / 1000
    const leadSeconds = BEACON_MARGIN_SECONDS + ACCEPT_SECONDS + late * LATE_SECONDS
    return {
      chainId: 0,
      verifyingContract: new Uint8Array(20),
      registryHash: registry().hash,
      beaconChain: beacon.chainHash,
      beaconRound: firstRoundFrom(beacon, nowSeconds + leadSeconds),
      expiresAt: Math.floor(nowSeconds) + REQUEST_VALIDITY_SECONDS,
    }
  }

  async requireCommittee(request: Request): Promise<void> {
    // Whether there is a committee at all hardly depends on the round.
    this.#drawWith(request, new Uint8Array(32))
  }

  async pool(parties: Parameters<typeof poolOf>[1]): Promise<readonly RegistryEntry[]> {
    return poolOf(this.modules.registry().entries, parties)
  }

  roundTime(request: Request): number {
    return timeOfRound(this.modules.beacon, request.beaconRound)
  }

  async opened(): Promise<void> {}

  async draw(request: Request, signal?: AbortSignal): Promise<DrawnCommittee> {
    const { beacon, fetchRound } = this.modules
    const beaconSignature = await fetchRound(request.beaconRound, signal)
    const randomness = verifyRound(beacon, request.beaconRound, beaconSignature)
    if (randomness === false) throw new Error('the beacon client handed on an unverified round')
    return { beaconSignature, committee: this.#drawWith(request, randomness) }
  }

  async settle(): Promise<void> {}

  /** @throws UserError where the registry gives no committee */
  #drawWith(request: Request, randomness: Uint8Array): Committee {
    const { hash: registryHash, entries } = this.modules.registry()
    const drawn = drawCommittee({ request, registryHash, entries, randomness })
    if (drawn === 'no_guarantee')
      throw new UserError('these beta, delta and teams allow no guarantee', {
        code: 'BAD_ARGUMENT',
        remedy: 'ask for more teams or a larger delta',
      })
    if (drawn === 'too_few_members')
      throw new UserError(
        `the registry's ${entries.length} challengers are too few or too slow for ${request.claimKbps / 1000} Mbit/s`,
        { code: 'UNAVAILABLE', remedy: 'lower --claim or --faulty, or use a larger registry' },
      )
    return drawn
  }
}
