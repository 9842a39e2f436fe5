/** The estimate (docs/protocol.md section 9): accurate with honest parties, not a bound. */
import { creditCapMicros } from '../constants.js'
import { guaranteed, type RuleParameters } from './guaranteed.js'
import { theilSenSlope, upperMedian } from './statistics.js'
import type { TeamMeasurement } from './team-value.js'

/** Fewer acks than this before the arrivals end make no slope: the final ones are used then, too. */
const MIN_SLOPE_ACKS = 3

export interface Estimate {
  /** bit/s */
  readonly bps: number
  /** Median of the teams' slopes, bit/s; undefined where no team has one. */
  readonly slopeBps: number | undefined
  /** The guaranteed rule with each member's round-trip time credited, bit/s. */
  readonly creditedBps: number
}

/** Median over the members of the Theil-Sen slope of the team's bits over the member's own times. */
export function teamSlope(team: TeamMeasurement): number | undefined {
  const totals = team.acks.map((ack) => ack.bits.reduce((sum, bits) => sum + bits, 0))
  const final = Math.max(0, ...totals)
  const slopes: number[] = []
  for (let member = 0; member < team.memberCount; member++) {
    const points = team.acks.flatMap((ack, k): [number, number][] => {
      const own = ack.ownSeconds[member]
      return own === null || own === undefined ? [] : [[own, totals[k] ?? 0]]
    })
    const flowing = points.filter(([, bits]) => bits < final)
    const slope = theilSenSlope(flowing.length >= MIN_SLOPE_ACKS ? flowing : points)
    if (slope !== undefined && slope > 0) slopes.push(slope)
  }
  return slopes.length === 0 ? undefined : upperMedian(slopes)
}

/**
 * @param parameters with `faulty` 0 where one team holds everybody: leaving out f shares of one train would not estimate,
 *   but bound
 * @param roundTripMicros what each member of each team testified; without one none is credited to it
 */
export function estimate(
  teams: readonly TeamMeasurement[],
  parameters: RuleParameters,
  roundTripMicros: readonly (readonly (number | undefined)[])[],
): Estimate {
  const capMicros = creditCapMicros(parameters.tauSeconds * 1e6)
  const credited = teams.map((team, g) => {
    // Each its own: a member that lies about its round trip moves its own times, about which it could lie as well.
    const credits = Array.from(
      { length: team.memberCount },
      (_, member) => Math.min(roundTripMicros[g]?.[member] ?? 0, capMicros) / 1e6,
    )
    const acks = team.acks.map(({ bits, ownSeconds }) => ({
      bits,
      ownSeconds: ownSeconds.map((own, member) =>
        own === null ? null : Math.max(0, own - (credits[member] ?? 0)),
      ),
    }))
    return { memberCount: team.memberCount, acks }
  })
  const creditedBps = guaranteed(credited, parameters).bps
  const slopes = teams.map(teamSlope).filter((slope): slope is number => slope !== undefined)
  const slopeBps = slopes.length === 0 ? undefined : upperMedian(slopes)
  const bps = Math.min(parameters.capBps, creditedBps, slopeBps ?? creditedBps)
  return { bps, slopeBps, creditedBps }
}
