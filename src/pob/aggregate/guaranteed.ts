/**
 * The guaranteed rate (docs/protocol.md section 9): the least x that is consistent with at most f corrupt members
 * and at least j clean teams.
 */
import { allOnValue } from './all-on.js'
import { type TeamMeasurement, type TeamValueParameters, teamValue } from './team-value.js'

export interface RuleParameters extends TeamValueParameters {
  /** Corrupt members tolerated, over all teams. */
  readonly faulty: number
  /** j: at least this many teams are clean; G - f where f is fixed, 0 where one team holds everybody. */
  readonly cleanTeams: number
  /** One team holds everybody: its value is that of all-on.ts. */
  readonly allOn?: boolean
}

export interface Guarantee {
  /** bit/s */
  readonly bps: number
  /** values[g][q] = V_g(q) in bit/s, q = 0..m; all-on with 0 and f distrusted. */
  readonly values: readonly (readonly number[])[]
  /** True where a value is the per-ack bound because its subsets were too many. */
  readonly bounded: boolean
}

/** V_g(q) for q = 0..m. Values past q = f never matter for the guarantee, so they are computed only with `all`. */
function valuesOf(team: TeamMeasurement, parameters: RuleParameters, all: boolean) {
  let bounded = false
  const values: number[] = []
  for (let q = 0; q <= team.memberCount; q++) {
    if (!all && q > parameters.faulty && q < team.memberCount) continue
    const value = teamValue(team, q, parameters)
    bounded ||= value.bounded
    values[q] = value.bps
  }
  return { values, bounded }
}

/** need_g(x): the least q for which the team no longer speaks against x. */
function need(values: readonly number[], x: number): number {
  const q = values.findIndex((value) => value !== undefined && value <= x)
  return q < 0 ? values.length : q
}

/**
 * The team rule over all teams that ran. Any corrupt prover and any f corrupt members leave it at or below
 * theta + b / (0.8 tau).
 */
export function guaranteed(
  teams: readonly TeamMeasurement[],
  parameters: RuleParameters,
  options: { readonly allValues?: boolean } = {},
): Guarantee {
  if (parameters.allOn === true) {
    const values = teams.map((team) => [0, parameters.faulty].map((q) => allOnValue(team, q, parameters)))
    return { bps: values[0]?.[1] ?? 0, values, bounded: false }
  }
  const computed = teams.map((team) => valuesOf(team, parameters, options.allValues ?? false))
  const values = computed.map((team) => team.values)
  const bounded = computed.some((team) => team.bounded)
  const consistent = (x: number) => {
    const distrusted = values.reduce((sum, team) => sum + need(team, x), 0)
    const above = values.filter((team) => (team[0] ?? 0) > x).length
    return distrusted <= parameters.faulty && above <= teams.length - parameters.cleanTeams
  }
  // Both conditions change only at team values, so the least consistent x is one of them (or 0).
  const candidates = [0, ...values.flatMap((team) => team.filter((value) => value !== undefined))].sort(
    (a, b) => a - b,
  )
  const least = candidates.find(consistent) ?? 0
  return { bps: least, values, bounded }
}
