/**
 * The committee and its teams (docs/protocol.md section 4): a function of the beacon's value, the prover and the
 * registry alone, so that nobody draws twice.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { offeredKbps, RHO_DENOMINATOR, RHO_NUMERATOR } from './constants.js'
import { cleanTeams, faultyMembers, millionths } from './parameters.js'
import { addressBytesOf } from './party.js'
import { prefixOf } from './prefix.js'
import type { RegistryEntry } from './registry.js'
import { Profile, type Request } from './request.js'

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

/** `drawSeed`: neither the claim nor the salt enters, so changing the request draws nothing new. */
export function drawSeed(
  randomness: Uint8Array,
  proverKey: Uint8Array,
  registryHash: Uint8Array,
): Uint8Array {
  return sha256(
    concatBytes(utf8ToBytes('plumbline/1/committee'), randomness, addressBytesOf(proverKey), registryHash),
  )
}

/** All entries in the draw's order. */
function drawOrder(entries: readonly RegistryEntry[], seed: Uint8Array): RegistryEntry[] {
  return entries
    .map((entry) => ({ entry, rank: bytesToHex(sha256(concatBytes(seed, entry.publicKey))) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0))
    .map(({ entry }) => entry)
}

/** The first `limit` candidates of the order that are fast enough and share nothing with one taken before. */
function take(
  order: readonly RegistryEntry[],
  request: Request,
  leastUplinkKbps: number,
  limit: number,
): RegistryEntry[] {
  const parties = [request.prover, request.payer, request.coordinator].map(bytesToHex)
  const operators = new Set<string>()
  const prefixes = new Set<string>()
  for (const entry of order)
    if (bytesToHex(entry.publicKey) === bytesToHex(request.prover)) prefixes.add(prefixOf(entry.host))
  const taken: RegistryEntry[] = []
  for (const entry of order) {
    if (taken.length === limit) break
    const prefix = prefixOf(entry.host)
    if (entry.uplinkKbps < leastUplinkKbps || parties.includes(bytesToHex(entry.publicKey))) continue
    if (operators.has(entry.operator) || prefixes.has(prefix)) continue
    operators.add(entry.operator)
    prefixes.add(prefix)
    taken.push(entry)
  }
  return taken
}

/** Draws the committee, or says why there is none. */
export function drawCommittee(input: CommitteeInput): Committee | CommitteeRefusal {
  const { request, registryHash, entries, randomness } = input
  const order = drawOrder(entries, drawSeed(randomness, request.prover, registryHash))
  const n = request.committeeSize
  const offered = offeredKbps(request.claimKbps)
  const ableFor = (teamSize: number) => take(order, request, Math.ceil(offered / teamSize), n)
  const strict = request.profile === Profile.strict
  const allOnProfile = request.profile === Profile.quick || request.profile === Profile.published

  if (!allOnProfile) {
    for (const teams of strict ? [request.teams] : [request.teams, request.faulty + 1])
      for (let teamSize = 1; teamSize <= n; teamSize++) {
        const members = ableFor(teamSize)
        if (members.length < teamSize * teams) continue
        const derived = strict ? strictParameters(request, teamSize) : undefined
        if (derived?.cleanTeams === 0) return 'no_guarantee'
        const faulty = derived?.faulty ?? request.faulty
        const run = Math.min(Math.floor(members.length / teamSize), request.teams)
        return {
          members,
          teamSize,
          teams: run,
          faulty,
          cleanTeams: derived?.cleanTeams ?? run - faulty,
          allOn: false,
          memberRateKbps: Math.ceil(offered / teamSize),
        }
      }
    if (strict) return 'too_few_members'
  }
  // All-on: the more members send, the less each must be able to.
  for (let teamSize = n; teamSize > request.faulty; teamSize--) {
    const members = ableFor(teamSize).slice(0, teamSize)
    if (members.length < teamSize) continue
    return {
      members,
      teamSize,
      teams: 1,
      faulty: request.faulty,
      cleanTeams: 0,
      allOn: true,
      memberRateKbps: Math.ceil(offered / teamSize),
    }
  }
  return 'too_few_members'
}

function strictParameters(request: Request, teamSize: number) {
  const beta = millionths(request.betaMillionths)
  const delta = millionths(request.deltaMillionths)
  return {
    cleanTeams: cleanTeams(beta, delta, request.teams, teamSize),
    faulty: faultyMembers(beta, delta, request.teams * teamSize),
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
