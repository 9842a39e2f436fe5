/**
 * What a strict challenge is best asked for: teams G of m members, chosen from (beta, delta) and the pool they are drawn
 * from (docs/protocol.md section 4). The rule itself reckons with independent draws; a pool of known size is drawn from
 * without putting back, so what the choice really risks is below delta, and is reckoned exactly here.
 */
import { offeredKbps } from './constants.js'
import { cleanTeams, faultyMembers, MILLIONTHS, millionths, type Rational } from './parameters.js'

/** Members of a committee, docs/protocol.md section 2. */
const MAX_MEMBERS = 64
/** Likely enough that all can carry their share: larger teams are not looked at. */
const LIKELY = 0.9

export interface StrictQuery {
  readonly betaMillionths: number
  readonly deltaMillionths: number
  readonly claimKbps: number
  /** Usable uplinks of those that can be drawn; its length is the pool. */
  readonly uplinksKbps: readonly number[]
  /** Teams of one, as an uplink is measured. */
  readonly single?: boolean
}

export interface StrictChoice {
  /** n, members to draw: m G. */
  readonly committeeSize: number
  /** m. */
  readonly teamSize: number
  /** G. */
  readonly teams: number
  /** j, teams without a corrupt member to count on. */
  readonly cleanTeams: number
  /** f, corrupt members to reckon with. */
  readonly faulty: number
  /** That every member drawn can carry its share; a challenge is refused where one cannot. */
  readonly ableProbability: number
  /** That fewer teams are clean than counted on, so that the guarantee may be wrong: exact for this pool. */
  readonly violationProbability: number
}

/**
 * The smallest teams of which all members can likely carry their share, and the fewest of them of which more than half
 * may be counted on as clean: then the guarantee is sound, and with probability 1 - delta / 2 nobody corrupt lowers it.
 * Undefined where the pool, or the 64 members of a committee, are too few.
 */
export function chooseStrict(query: StrictQuery): StrictChoice | undefined {
  const { betaMillionths, deltaMillionths, uplinksKbps } = query
  const beta = millionths(betaMillionths)
  const delta = millionths(deltaMillionths)
  const most = Math.min(MAX_MEMBERS, uplinksKbps.length)
  const choices: StrictChoice[] = []
  for (let teamSize = 1; teamSize <= (query.single === true ? 1 : most); teamSize++) {
    const teams = leastTeams(beta, delta, teamSize, most)
    if (teams === undefined) break
    const committeeSize = teamSize * teams
    const rateKbps = Math.ceil(offeredKbps(query.claimKbps) / teamSize)
    const able = uplinksKbps.filter((uplinkKbps) => uplinkKbps >= rateKbps).length
    const ableProbability = withoutReplacement(able, uplinksKbps.length, committeeSize)
    const clean = cleanTeams(beta, delta, teams, teamSize)
    const corrupt = Math.floor((uplinksKbps.length * betaMillionths) / Number(MILLIONTHS))
    choices.push({
      committeeSize,
      teamSize,
      teams,
      cleanTeams: clean,
      faulty: faultyMembers(beta, delta, committeeSize),
      ableProbability,
      violationProbability: fewerCleanTeams(clean, { pool: uplinksKbps.length, corrupt, teams, teamSize }),
    })
    if (ableProbability >= LIKELY) break
  }
  // The likeliest to be served; of equals the smaller teams, which cost less.
  const [first, ...others] = choices
  return others.reduce<StrictChoice | undefined>(
    (best, each) => (best !== undefined && each.ableProbability <= best.ableProbability ? best : each),
    first,
  )
}

/** The most teams that a choice can have, whatever the pool. */
export function mostTeams(betaMillionths: number, deltaMillionths: number): number {
  const [beta, delta] = [millionths(betaMillionths), millionths(deltaMillionths)]
  let most = 1
  for (let teamSize = 1; teamSize <= MAX_MEMBERS; teamSize++)
    most = Math.max(most, leastTeams(beta, delta, teamSize, MAX_MEMBERS) ?? 1)
  return most
}

/** The fewest teams, of at most `most` members together, of which more than half may be counted on as clean. */
export function leastTeams(
  beta: Rational,
  delta: Rational,
  teamSize: number,
  most: number,
): number | undefined {
  for (let teams = 1; teams * teamSize <= most; teams++)
    if (2 * cleanTeams(beta, delta, teams, teamSize) > teams) return teams
  return undefined
}

/** P(all of `drawn` are among the `good` of `pool`). */
function withoutReplacement(good: number, pool: number, drawn: number): number {
  let probability = 1
  for (let i = 0; i < drawn; i++) probability *= Math.max(0, good - i) / (pool - i)
  return probability
}

export interface Sampling {
  readonly pool: number
  readonly corrupt: number
  readonly teams: number
  readonly teamSize: number
}

/**
 * P(fewer than `least` of the teams have no corrupt member), drawn without putting back. Member by member: what counts is
 * how many corrupt ones were drawn and how many teams are clean so far, so no terms cancel and nothing overflows.
 */
export function fewerCleanTeams(least: number, { pool, corrupt, teams, teamSize }: Sampling): number {
  // states.get(corrupt drawn)[clean teams]
  let states = new Map([[0, [1]]])
  for (let team = 0; team < teams; team++) {
    const drawn = team * teamSize
    const next = new Map<number, number[]>()
    for (const [taken, byClean] of states)
      for (const [hits, share] of hypergeometric(pool - drawn, corrupt - taken, teamSize))
        byClean.forEach((probability, clean) => {
          const row = next.get(taken + hits) ?? []
          const now = clean + (hits === 0 ? 1 : 0)
          row[now] = (row[now] ?? 0) + probability * share
          next.set(taken + hits, row)
        })
    states = next
  }
  let below = 0
  for (const byClean of states.values())
    byClean.forEach((probability, clean) => {
      if (clean < least) below += probability
    })
  return below
}

/** P(k corrupt among `drawn` of `pool`, `corrupt` of which are), for each k that can be. */
function hypergeometric(pool: number, corrupt: number, drawn: number): Map<number, number> {
  let row = new Map([[0, 1]])
  for (let i = 0; i < drawn; i++) {
    const next = new Map<number, number>()
    for (const [hits, probability] of row) {
      const isCorrupt = Math.max(0, corrupt - hits) / (pool - i)
      if (isCorrupt > 0) next.set(hits + 1, (next.get(hits + 1) ?? 0) + probability * isCorrupt)
      if (isCorrupt < 1) next.set(hits, (next.get(hits) ?? 0) + probability * (1 - isCorrupt))
    }
    row = next
  }
  return row
}
