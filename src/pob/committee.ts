/**
 * The committee and its teams (docs/protocol.md section 4): a function of the beacon's value, the prover and the
 * registry alone, so that nobody draws twice.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { offeredKbps, RHO_DENOMINATOR, RHO_NUMERATOR } from './constants.js'
import { inDrawOrder, indexOfKey } from './draw-order.js'
import { cleanTeams, faultyMembers, millionths } from './parameters.js'
import { addressBytesOf } from './party.js'
import { prefixOf } from './prefix.js'
import type { RegistryEntry } from './registry.js'
import { Direction, Profile, type Request } from './request.js'

export interface Committee {
  /** Entries in draw order; position = member index. */
  readonly members: readonly RegistryEntry[]
  /** m: members of each team. */
  readonly teamSize: number
  /** G: teams that may run. */
  readonly teams: number
  /** f: corrupt members tolerated. */
  readonly faulty: number
  /** j: clean teams the rule counts on; 0 where one team holds everybody. */
  readonly cleanTeams: number
  /** One team of everybody. */
  readonly allOn: boolean
  readonly memberRateKbps: number
}

export type CommitteeRefusal = 'too_few_members' | 'no_guarantee'

export interface CommitteeInput {
  readonly request: Request
  readonly registryHash: Uint8Array
  readonly entries: readonly RegistryEntry[]
  /** The named round's value, 32 bytes. */
  readonly randomness: Uint8Array
}

/** Stands for every prover that the registry does not list. */
const UNLISTED = new Uint8Array(20)

/**
 * `drawSeed`: neither the claim nor the salt enters, so changing the request draws nothing new. A prover outside the registry
 * has no draw of its own: keys cost nothing, and whoever could try many would choose its committee.
 */
export function drawSeed(
  randomness: Uint8Array,
  proverKey: Uint8Array,
  registry: { readonly hash: Uint8Array; readonly entries: readonly Pick<RegistryEntry, 'publicKey'>[] },
): Uint8Array {
  const listed = indexOfKey(registry.entries, proverKey) >= 0
  const prover = listed ? addressBytesOf(proverKey) : UNLISTED
  return sha256(concatBytes(utf8ToBytes('plumbline/1/committee'), randomness, prover, registry.hash))
}

/** Who takes part in another way, and is in no committee. */
type Parties = Pick<Request, 'prover' | 'payer' | 'coordinator'>

/** Those of a registry that one draw can have side by side, in the registry's order. */
export function poolOf(entries: readonly RegistryEntry[], parties: Parties): RegistryEntry[] {
  const prover = entries[indexOfKey(entries, parties.prover)]
  return take(entries, parties, Number.POSITIVE_INFINITY, prover)
}

/** The first `limit` candidates of the order that share nothing with one taken before. What they declare does not count. */
function take(
  order: Iterable<RegistryEntry>,
  parties: Parties,
  limit: number,
  prover: RegistryEntry | undefined,
): RegistryEntry[] {
  const keys = new Set([parties.prover, parties.payer, parties.coordinator].map(bytesToHex))
  const operators = new Set<string>()
  const prefixes = new Set(prover === undefined ? [] : [prefixOf(prover.host)])
  const taken: RegistryEntry[] = []
  for (const entry of order) {
    const prefix = prefixOf(entry.host)
    if (keys.has(bytesToHex(entry.publicKey))) continue
    if (operators.has(entry.operator) || prefixes.has(prefix)) continue
    operators.add(entry.operator)
    prefixes.add(prefix)
    taken.push(entry)
    if (taken.length === limit) break
  }
  return taken
}

function* firstOf<T>(order: Iterable<T>, limit: number): Generator<T> {
  let left = limit
  if (left > 0)
    for (const each of order) {
      yield each
      if (--left === 0) return
    }
}

/** Draws the committee, or says why there is none. */
export function drawCommittee(input: CommitteeInput): Committee | CommitteeRefusal {
  const { request, registryHash: hash, entries, randomness } = input
  const seed = drawSeed(randomness, request.prover, { hash, entries })
  if (request.profile === Profile.strict) {
    // Of an operator or a prefix with many keys one stands in the pool: many keys win nobody more chances.
    const pool = poolOf(entries, request)
    const drawn = [...firstOf(inDrawOrder(pool, seed), request.committeeSize)]
    return drawn.length <= request.faulty ? 'too_few_members' : strictCommittee(request, drawn, pool.length)
  }
  // Drawn first, asked what they can carry afterwards: a false declaration wins nobody a place.
  const prover = entries[indexOfKey(entries, request.prover)]
  const drawn = take(inDrawOrder(entries, seed), request, request.committeeSize, prover)
  if (drawn.length <= request.faulty) return 'too_few_members'
  if (request.profile === Profile.standard)
    for (const teams of [request.teams, request.faulty + 1]) {
      const committee = teamsOf(request, drawn, teams)
      if (committee !== undefined) return committee
    }
  return request.direction === Direction.up ? 'too_few_members' : allOnCommittee(request, drawn)
}

const rateKbps = (request: Request, teamSize: number) => Math.ceil(offeredKbps(request.claimKbps) / teamSize)

/** Those of the drawn that can carry a share of the offer, then the others, who sign without sending. */
function ableFirst(request: Request, drawn: readonly RegistryEntry[], teamSize: number) {
  const isAble = (entry: RegistryEntry) => entry.uplinkKbps >= rateKbps(request, teamSize)
  const able = drawn.filter(isAble)
  return { able, members: [...able, ...drawn.filter((entry) => !isAble(entry))] }
}

/** An uplink wants one clock in a team (echo.ts). */
const largestTeam = (request: Request, teams: number, drawn: number) =>
  request.direction === Direction.up ? Math.min(1, Math.floor(drawn / teams)) : Math.floor(drawn / teams)

/** The smallest teams of which `teams` can be filled. */
function teamsOf(request: Request, drawn: readonly RegistryEntry[], teams: number): Committee | undefined {
  for (let teamSize = 1; teamSize <= largestTeam(request, teams, drawn.length); teamSize++) {
    const { able, members } = ableFirst(request, drawn, teamSize)
    if (able.length < teamSize * teams) continue
    const run = Math.min(Math.floor(able.length / teamSize), request.teams)
    return {
      members,
      teamSize,
      teams: run,
      faulty: request.faulty,
      cleanTeams: run - request.faulty,
      allOn: false,
      memberRateKbps: rateKbps(request, teamSize),
    }
  }
  return undefined
}

/** The first m G drawn, all of them able: choosing among the drawn by what they declare would favour liars. */
function strictCommittee(
  request: Request,
  drawn: readonly RegistryEntry[],
  pool: number,
): Committee | CommitteeRefusal {
  const { teams } = request
  for (let teamSize = 1; teamSize <= largestTeam(request, teams, drawn.length); teamSize++) {
    const senders = drawn.slice(0, teamSize * teams)
    if (senders.some((entry) => entry.uplinkKbps < rateKbps(request, teamSize))) continue
    const derived = strictParameters(request, teamSize, pool)
    if (derived.cleanTeams === 0) return 'no_guarantee'
    return {
      members: drawn,
      teamSize,
      teams,
      ...derived,
      allOn: false,
      memberRateKbps: rateKbps(request, teamSize),
    }
  }
  return 'too_few_members'
}

/** The more members send, the less each must be able to. */
function allOnCommittee(request: Request, drawn: readonly RegistryEntry[]): Committee | CommitteeRefusal {
  for (let teamSize = drawn.length; teamSize > request.faulty; teamSize--) {
    const { able, members } = ableFirst(request, drawn, teamSize)
    if (able.length < teamSize) continue
    return {
      members,
      teamSize,
      teams: 1,
      faulty: request.faulty,
      cleanTeams: 0,
      allOn: true,
      memberRateKbps: rateKbps(request, teamSize),
    }
  }
  return 'too_few_members'
}

function strictParameters(request: Request, teamSize: number, pool: number) {
  const beta = millionths(request.betaMillionths)
  const delta = millionths(request.deltaMillionths)
  return {
    cleanTeams: cleanTeams(beta, delta, request.teams, teamSize, pool),
    faulty: faultyMembers(beta, delta, request.teams * teamSize, pool),
  }
}

/** Member indices of team `slot`. */
export function teamMembers(plan: { readonly teamSize: number }, slot: number): number[] {
  return Array.from({ length: plan.teamSize }, (_, i) => slot * plan.teamSize + i)
}

/** The cap rho x claim in bit/s. */
export function capBps(claimKbps: number): number {
  return (claimKbps * 1000 * RHO_NUMERATOR) / RHO_DENOMINATOR
}
