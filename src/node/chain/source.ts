/**
 * Committees of challenges that settle on a chain, as this node finds them out through its own RPC servers: it serves
 * what the contract holds money for, with the committee that the contract drew and that its own copy of the seats gives.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import {
  bondFor,
  type Chain,
  type ChallengeState,
  formatEther,
  readChallenge,
  readCommittee,
  readOpening,
  readProverAccount,
  type SeatCache,
} from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import { type BeaconInfo, timeOfRound, verifyRound } from '../../crypto/beacon.js'
import { UserError } from '../../errors.js'
import type { Committee } from '../../pob/committee.js'
import { BEACON_MARGIN_SECONDS } from '../../pob/constants.js'
import { sameBytes } from '../../pob/party.js'
import { challengeIdOf, type Request } from '../../pob/request.js'
import { seatCommittee, seatQueryOf } from '../../pob/seat-draw.js'
import type { CommitteeSource } from '../../roles/committee-source.js'
import type { Admission } from '../../roles/control-messages.js'
import { ensure, Refusal } from '../../roles/protocol-error.js'

/** Our RPC server may be some seconds behind the payer's. */
const FIXED_WITHIN_MS = 4_000
const POLL_MS = 250
/** Committees kept: a member is asked for each several times. */
const MAX_KNOWN = 64
/** Clocks of honest nodes differ by less. */
const CLOCK_SKEW_SECONDS = 5
/** From the acceptance to the escrow: a payer counts on a block within 15 s. Rounds that leave more keep the prover for nothing. */
const ESCROW_SECONDS = 60
/** Until our own RPC server shows a block of the last permitted moment. */
const SHOWN_SECONDS = 15

export interface ChainSourceModules {
  readonly chain: Chain
  readonly seats: SeatCache
  /** The beacon that this node trusts. */
  readonly beacon: BeaconInfo
  /** This node's address. */
  readonly address: Address
}

export class ChainSource implements CommitteeSource {
  readonly #known = new Map<string, Committee>()

  constructor(readonly modules: ChainSourceModules) {}

  judges(request: Request): boolean {
    const { chainId, domain } = this.modules.chain
    return request.chainId === chainId && sameBytes(request.verifyingContract, domain.verifyingContract)
  }

  async requireAcceptable(request: Request, nowMs: number): Promise<void> {
    const { chain, beacon, address } = this.modules
    const { terms } = chain
    this.#requireBeacon(request)
    ensure(
      ((terms.profiles >> request.profile) & 1) === 1,
      'denied',
      'this chain does not settle that profile',
    )
    const nowSeconds = nowMs / 1000
    const leadSeconds = Math.min(
      terms.maxLeadSeconds,
      terms.driftMarginSeconds + ESCROW_SECONDS + beacon.periodSeconds,
    )
    const roundTime = timeOfRound(beacon, request.beaconRound)
    ensure(
      roundTime >= nowSeconds + BEACON_MARGIN_SECONDS,
      'denied',
      `round ${request.beaconRound} is out or less than ${BEACON_MARGIN_SECONDS} s away: name a later one`,
    )
    ensure(roundTime <= nowSeconds + leadSeconds + CLOCK_SKEW_SECONDS, 'denied', 'the round is too far away')
    const account = await orRefuse(readProverAccount(chain, address))
    const bond = bondFor(terms, request.committeeSize)
    ensure(
      account.freeWei >= bond,
      'denied',
      `the prover's deposit for bonds has ${formatEther(account.freeWei)}, this challenge needs ${formatEther(bond)}`,
    )
    ensure(
      roundTime > account.lastDraw,
      'conflict',
      'a challenge of this prover names this round or a later one already',
    )
  }

  async committeeOf(admission: Admission): Promise<Committee> {
    const { request, acceptedAt, beaconSignature } = admission
    this.#requireBeacon(request)
    const randomness = verifyRound(this.modules.beacon, request.beaconRound, beaconSignature)
    ensure(randomness !== false, 'bad_request', "the round does not carry the beacon's signature")
    const challengeId = challengeIdOf(request)
    const id = bytesToHex(challengeId)
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const committee = await orRefuse(this.#drawn(request, challengeId, acceptedAt, randomness))
    this.#known.set(id, committee)
    const [oldest] = this.#known.keys()
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest)
    return committee
  }

  /** Later than that the contract opens nothing with it: until then a challenge that made room could cost the bond. */
  graceMs(request: Request, nowMs: number): number {
    const { chain, beacon } = this.modules
    const latest = timeOfRound(beacon, request.beaconRound) - chain.terms.driftMarginSeconds
    return Math.max(0, (latest + SHOWN_SECONDS) * 1000 - nowMs)
  }

  async isPaid(_request: Request, challengeId: Uint8Array): Promise<boolean> {
    return (await orRefuse(readChallenge(this.modules.chain, challengeId))).status !== 'none'
  }

  async isOverdue(request: Request, challengeId: Uint8Array): Promise<boolean> {
    const { chain } = this.modules
    const [{ status }, { timestamp }] = await orRefuse(
      Promise.all([readChallenge(chain, challengeId), chain.clock()]),
    )
    return status === 'fixed' && timestamp > request.expiresAt
  }

  async #drawn(
    request: Request,
    challengeId: Uint8Array,
    acceptedAt: number,
    randomness: Uint8Array,
  ): Promise<Committee> {
    const { chain, seats } = this.modules
    const { status } = await this.#whenFixed(challengeId)
    ensure(status === 'fixed', 'denied', `the chain has this challenge as "${status}", not as fixed`)
    const [opening, fixed] = await Promise.all([
      readOpening(chain, challengeId),
      readCommittee(chain, challengeId),
    ])
    ensure(
      opening !== undefined && fixed !== undefined,
      'conflict',
      "the chain's events of this challenge are missing",
    )
    ensure(
      opening.acceptedAt === acceptedAt,
      'bad_request',
      'the challenge was opened with another acceptance',
    )
    await seats.sync()
    const drawn = seats.draw(seatQueryOf(request, opening.terms, randomness))
    ensure(
      drawn.join() === fixed.committee.join(),
      'conflict',
      'the committee on the chain is not the one that its seats give',
    )
    const entries = seats.entriesOf(drawn)
    ensure(entries !== undefined, 'conflict', 'a member of the committee has no record')
    const committee = seatCommittee(request, entries)
    ensure(typeof committee !== 'string', 'denied', `the chain gives no committee: ${String(committee)}`)
    return committee
  }

  async #whenFixed(challengeId: Uint8Array): Promise<ChallengeState> {
    const end = performance.now() + FIXED_WITHIN_MS
    for (;;) {
      const state = await readChallenge(this.modules.chain, challengeId)
      const mayCome = state.status === 'none' || state.status === 'open'
      if (!mayCome || performance.now() > end) return state
      await sleep(POLL_MS)
    }
  }

  #requireBeacon(request: Request): void {
    ensure(
      sameBytes(request.beaconChain, this.modules.beacon.chainHash),
      'conflict',
      'the request names another beacon than this node trusts',
    )
  }
}

/** That our own RPC server fails is no fault of who asks: said as such. */
async function orRefuse<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof UserError && error.code === 'UNREACHABLE')
      throw new Refusal('busy', 'this node cannot reach its chain right now; ask again in a moment')
    throw error
  }
}
