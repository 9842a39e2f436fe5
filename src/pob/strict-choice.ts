/**
 * What a strict challenge is best asked for: teams G of m members, chosen from (beta, delta) and the pool they are drawn
 * from without putting back (docs/protocol.md section 4).
 */
import { offeredKbps } from './constants.js'
import {
  cleanAmong,
  cleanTeams,
  corruptOf,
  faultyMembers,
  millionths,
  type PoolDraw,
  type Rational,
} from './parameters.js'

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
  /** The rule that a chain's committees obey: j and f of independent draws, whatever the pool. */
  readonly independent?: boolean
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
  const pool = query.independent === true ? undefined : uplinksKbps.length
  const choices: StrictChoice[] = []
  for (let teamSize = 1; teamSize <= (query.single === true ? 1 : most); teamSize++) {
    const teams = leastTeams(beta, delta, { teamSize, most, pool })
    if (teams === undefined) break
    const committeeSize = teamSize * teams
    const rateKbps = Math.ceil(offeredKbps(query.claimKbps) / teamSize)
    const able = uplinksKbps.filter((uplinkKbps) => uplinkKbps >= rateKbps).length
    const ableProbability = withoutReplacement(able, uplinksKbps.length, committeeSize)
    const clean = cleanTeams(beta, delta, teams, teamSize, pool)
    const corrupt = corruptOf(beta, uplinksKbps.length)
    choices.push({
      committeeSize,
      teamSize,
      teams,
      cleanTeams: clean,
      faulty: faultyMembers(beta, delta, committeeSize, pool),
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

/** With one corrupt member in a pool, three teams bear it whatever delta is: what rounds up to one asks for no more. */
const TEAMS_FOR_ONE = 3

/** The most teams that a choice can have, whatever the pool: those of independent draws, which are the worst. */
export function mostTeams(betaMillionths: number, deltaMillionths: number): number {
  const [beta, delta] = [millionths(betaMillionths), millionths(deltaMillionths)]
  let most = TEAMS_FOR_ONE
  for (let teamSize = 1; teamSize <= MAX_MEMBERS; teamSize++)
    most = Math.max(most, leastTeams(beta, delta, { teamSize, most: MAX_MEMBERS }) ?? 1)
  return most
}

export interface TeamLimits {
  readonly teamSize: number
  /** Members of all teams together, at most. */
  readonly most: number
  /** Drawn from so many; from any number, each for itself, where absent. */
  readonly pool?: number | undefined
}

/** The fewest teams of which more than half may be counted on as clean. */
export function leastTeams(
  beta: Rational,
  delta: Rational,
  { teamSize, most, pool }: TeamLimits,
): number | undefined {
  for (let teams = 1; teams * teamSize <= most; teams++)
    if (2 * cleanTeams(beta, delta, teams, teamSize, pool) > teams) return teams
  return undefined
}

/** P(all of `drawn` are among the `good` of `pool`). */
function withoutReplacement(good: number, pool: number, drawn: number): number {
  let probability = 1
  for (let i = 0; i < drawn; i++) probability *= Math.max(0, good - i) / (pool - i)
  return probability
}

export interface Sampling extends PoolDraw {
  readonly teams: number
  readonly teamSize: number
}

/** Digits of a probability that are kept. */
const PRECISION = 10n ** 18n

/** P(fewer than `least` of the teams have no corrupt member), drawn without putting back; rounded once, at the end. */
export function fewerCleanTeams(least: number, { teams, teamSize, ...draw }: Sampling): number {
  const { weights, denominator } = cleanAmong(draw, teams, teamSize)
  const below = weights.slice(0, least).reduce((sum, weight) => sum + weight, 0n)
  return Number((below * PRECISION) / denominator) / Number(PRECISION)
}
