/** Committees from a registry file and a beacon, without a chain. */
import { type BeaconInfo, timeOfRound, verifyRound } from '../crypto/beacon.js'
import { type Committee, drawCommittee } from '../pob/committee.js'
import { BEACON_MARGIN_SECONDS, MAX_ROUND_AGE_SECONDS } from '../pob/constants.js'
import { sameBytes } from '../pob/party.js'
import type { Registry } from '../pob/registry.js'
import { type Request, roundIsAfterAcceptance } from '../pob/request.js'
import type { CommitteeSource } from './committee-source.js'
import type { Admission } from './control-messages.js'
import { ensure } from './protocol-error.js'

/** Clocks of honest nodes differ by less. */
const CLOCK_SKEW_SECONDS = 5
/** A round further away keeps the prover busy for nothing. */
const MAX_ROUND_WAIT_SECONDS = 60
/** To the round that an honest request names, a period aside, and from there to the paths. */
const GRACE_SECONDS = 10

export interface RegistrySourceModules {
  readonly registry: () => Registry
  readonly beacon: BeaconInfo
}

export class RegistrySource implements CommitteeSource {
  constructor(readonly modules: RegistrySourceModules) {}

  graceMs(): number {
    return (GRACE_SECONDS + this.modules.beacon.periodSeconds) * 1000
  }

  judges(request: Request): boolean {
    return request.chainId === 0
  }

  async requireAcceptable(request: Request, nowMs: number): Promise<void> {
    this.#requireNames(request)
    const roundTime = timeOfRound(this.modules.beacon, request.beaconRound)
    ensure(
      roundTime >= nowMs / 1000 + BEACON_MARGIN_SECONDS,
      'denied',
      `round ${request.beaconRound} is out or less than ${BEACON_MARGIN_SECONDS} s away: name a later one`,
    )
    ensure(roundTime <= nowMs / 1000 + MAX_ROUND_WAIT_SECONDS, 'denied', 'the round is too far away')
  }

  async committeeOf(admission: Admission, nowMs: number): Promise<Committee> {
    const { request, acceptedAt, beaconSignature } = admission
    this.#requireNames(request)
    const { beacon, registry } = this.modules
    const roundTime = timeOfRound(beacon, request.beaconRound)
    ensure(
      roundIsAfterAcceptance(roundTime, acceptedAt),
      'denied',
      'the round was out when the prover accepted',
    )
    const ageSeconds = nowMs / 1000 - roundTime
    ensure(ageSeconds <= MAX_ROUND_AGE_SECONDS, 'denied', `the round is ${Math.round(ageSeconds)} s old`)
    ensure(ageSeconds >= -CLOCK_SKEW_SECONDS, 'denied', 'the round lies in the future')
    const randomness = verifyRound(beacon, request.beaconRound, beaconSignature)
    ensure(randomness !== false, 'bad_request', "the round does not carry the beacon's signature")
    const { hash: registryHash, entries } = registry()
    const drawn = drawCommittee({ request, registryHash, entries, randomness })
    ensure(typeof drawn !== 'string', 'denied', `the registry gives no committee: ${String(drawn)}`)
    return drawn
  }

  async isPaid(): Promise<boolean> {
    return false
  }

  /** No money waits. */
  async isOverdue(): Promise<boolean> {
    return false
  }

  #requireNames(request: Request): void {
    ensure(
      sameBytes(request.registryHash, this.modules.registry().hash),
      'conflict',
      'the request names another registry snapshot than this node has',
    )
    ensure(
      sameBytes(request.beaconChain, this.modules.beacon.chainHash),
      'conflict',
      'the request names another beacon than this node trusts',
    )
  }
}
