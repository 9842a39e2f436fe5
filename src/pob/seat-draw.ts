/**
 * The committee of a challenge that settles on a chain (docs/contracts.md, "The draw"): the same as
 * `StakeRegistry.draw`, from seats that were rebuilt from the registry's events. Pure.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import type { Address } from '../crypto/address.js'
import type { Committee, CommitteeRefusal } from './committee.js'
import { offeredKbps } from './constants.js'
import { cleanTeams, faultyMembers, millionths } from './parameters.js'
import { addressBytesOf } from './party.js'
import type { RegistryEntry } from './registry.js'
import { Profile, type Request } from './request.js'

/** StakeRegistry.TRIES_PER_MEMBER and EXTRA_TRIES: what bounds a draw's gas. */
const TRIES_PER_MEMBER = 16
const EXTRA_TRIES = 64
/** StakeRegistry.WEAK_PER_MEMBER: more tries that met too small an uplink draw nobody. */
const WEAK_PER_MEMBER = 2
const NOBODY: Address = '0x0000000000000000000000000000000000000000'

/** What a draw reads of a node; immutable but for `until`. Times are Unix seconds. */
export interface SeatRecord {
  readonly hotKey: Address
  /** The cold wallet. */
  readonly owner: Address
  /** (4 << 48) + 24 bits of an IPv4 host, or (6 << 48) + 48 bits of an IPv6 one. */
  readonly prefix: bigint
  readonly uplinkKbps: number
  readonly since: number
  /** 0 while current. */
  readonly until: number
}

export interface Seat {
  readonly record: number
  readonly since: number
  /** Set where the seat was moved to another index. */
  readonly until: number
}

/** The registry's seats as they are now, with the counts of the past. */
export interface SeatRegistry {
  readonly seats: readonly Seat[]
  record(id: number): SeatRecord | undefined
  /** Seats at the end of a past second. */
  countAt(snapshot: number): number
}

export interface SeatQuery {
  /** 32 bytes. */
  readonly seed: Uint8Array
  /** The registry as it stood at the end of this second. */
  readonly snapshot: number
  readonly size: number
  readonly minUplinkKbps: number
  readonly proverPrefix: bigint
  /** Owners that are not drawn. */
  readonly excluded: readonly Address[]
}

/** What a draw needs and a request does not say; fixed when the challenge is opened. */
export interface DrawTerms {
  readonly snapshot: number
  readonly proverPrefix: bigint
  readonly proverOwner: Address
  readonly payerOwner: Address
  readonly coordinatorOwner: Address
}

/** keccak-256("plumbline/1/draw" || randomness || prover (20) || registryHash): nothing else of the request enters. */
export function seatSeed(randomness: Uint8Array, prover: Uint8Array, registryHash: Uint8Array): Uint8Array {
  return keccak_256(concatBytes(utf8ToBytes('plumbline/1/draw'), randomness, prover, registryHash))
}

/** m: the payer picks n and G for the pool. */
function chainTeamSize(request: Pick<Request, 'committeeSize' | 'teams'>): number {
  return Math.floor(request.committeeSize / request.teams)
}

/** The draw of a request, as ChallengeManager asks for it. */
export function seatQueryOf(request: Request, terms: DrawTerms, randomness: Uint8Array): SeatQuery {
  return {
    seed: seatSeed(randomness, addressBytesOf(request.prover), request.registryHash),
    snapshot: terms.snapshot,
    size: request.committeeSize,
    minUplinkKbps: Math.ceil(offeredKbps(request.claimKbps) / chainTeamSize(request)),
    proverPrefix: terms.proverPrefix,
    excluded: [terms.proverOwner, terms.payerOwner, terms.coordinatorOwner],
  }
}

/** keccak-256(seed || attempt as uint256) mod count. */
function sample(seed: Uint8Array, attempt: number, count: number): number {
  const word = new Uint8Array(32)
  new DataView(word.buffer).setUint32(28, attempt)
  const hash = keccak_256(concatBytes(seed, word))
  return Number(hash.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n) % BigInt(count))
}

/** The record in a seat at a snapshot; undefined for none. */
function seated(registry: SeatRegistry, index: number, snapshot: number): SeatRecord | undefined {
  const seat = registry.seats[index]
  if (seat === undefined || seat.since > snapshot) return undefined
  const record = registry.record(seat.record)
  const end = seat.until !== 0 ? seat.until : (record?.until ?? 0)
  return end !== 0 && end <= snapshot ? undefined : record
}

/** The committee's hot keys, in order; fewer than asked for where the pool has no more, none where too few are able. */
export function drawSeats(registry: SeatRegistry, query: SeatQuery): Address[] {
  const count = registry.countAt(query.snapshot)
  const tries = count === 0 ? 0 : query.size * TRIES_PER_MEMBER + EXTRA_TRIES
  const taken: SeatRecord[] = []
  let weak = 0
  for (let attempt = 0; attempt < tries && taken.length < query.size; attempt++) {
    const record = seated(registry, sample(query.seed, attempt, count), query.snapshot)
    if (record === undefined) continue
    if (record.uplinkKbps < query.minUplinkKbps) {
      if (++weak > query.size * WEAK_PER_MEMBER) return []
      continue
    }
    if (isExcluded(query, record) || taken.some((other) => sharesWith(other, record))) continue
    taken.push(record)
  }
  return taken.map(({ hotKey }) => hotKey)
}

const isExcluded = (query: SeatQuery, { owner, prefix }: SeatRecord): boolean =>
  prefix === query.proverPrefix || query.excluded.some((each) => each === owner && each !== NOBODY)

const sharesWith = (a: SeatRecord, b: SeatRecord): boolean => a.owner === b.owner || a.prefix === b.prefix

/**
 * Teams of a committee that a chain drew: cut in the draw's order, of floor(n / G) members each. Strict and quick need
 * all n; standard goes on with fewer teams, at least f + 1.
 */
export function seatCommittee(
  request: Request,
  members: readonly RegistryEntry[],
): Committee | CommitteeRefusal {
  const { committeeSize, profile } = request
  const teamSize = chainTeamSize(request)
  const drawn = members.length
  if (drawn > committeeSize || (profile !== Profile.standard && drawn !== committeeSize))
    return 'too_few_members'
  const common = { members, teamSize, memberRateKbps: Math.ceil(offeredKbps(request.claimKbps) / teamSize) }
  if (profile === Profile.strict) {
    const [beta, delta] = [millionths(request.betaMillionths), millionths(request.deltaMillionths)]
    const clean = cleanTeams(beta, delta, request.teams, teamSize)
    const faulty = faultyMembers(beta, delta, request.teams * teamSize)
    return clean === 0
      ? 'no_guarantee'
      : { ...common, teams: request.teams, faulty, cleanTeams: clean, allOn: false }
  }
  const { faulty } = request
  const teams = Math.min(request.teams, Math.floor(drawn / teamSize))
  if (profile === Profile.quick) return { ...common, teams: 1, faulty, cleanTeams: 0, allOn: true }
  if (teams < faulty + 1 || 2 * faulty >= drawn) return 'too_few_members'
  return { ...common, teams, faulty, cleanTeams: teams - faulty, allOn: false }
}
