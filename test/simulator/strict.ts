/**
 * The strict profile's promise: over committees sampled from a registry of which a fraction beta is corrupt, the
 * guarantee exceeds theta with probability at most delta, against the best the corrupt ones can do.
 */
import { guaranteed } from '../../src/pob/aggregate/guaranteed.js'
import type { TeamMeasurement } from '../../src/pob/aggregate/team-value.js'
import { RHO } from '../../src/pob/constants.js'
import { cleanTeams, corruptOf, faultyMembers, millionths } from '../../src/pob/parameters.js'
import { leastTeams as fewestTeams } from '../../src/pob/strict-choice.js'
import type { Random } from './random.js'

export interface StrictSetting {
  readonly beta: number
  readonly delta: number
  readonly teams: number
  readonly teamSize: number
  /** Entries of the registry, beta of them corrupt; all can be drawn side by side. */
  readonly registry: number
  /** Corrupt in truth, where that is not the beta reckoned with. */
  readonly trueBeta?: number
  /** Challenges of which the best result is shown; delta is split over them. One by default. */
  readonly attempts?: number
}

/** Most slots worth running; a committee has 64 members at most. */
const MAX_MEMBERS = 64

/** As the node chooses them for this registry, with delta split over attempts. Undefined where there is no such number. */
export function leastTeams(setting: Omit<StrictSetting, 'teams'>): number | undefined {
  const { beta, delta, teamSize, registry, attempts = 1 } = setting
  const share = millionths(Math.floor((delta * 1e6) / attempts))
  const limits = { teamSize, most: Math.min(MAX_MEMBERS, registry), pool: registry }
  return fewestTeams(millionths(Math.round(beta * 1e6)), share, limits)
}

export const THETA_BPS = 100e6
export const TAU_SECONDS = 0.2
/** The claim is ten times the truth. */
export const CAP_BPS = RHO * THETA_BPS * 10

/** A team in which honest members get all that the link carries, and corrupt ones are credited whatever they like. */
export function bestForTheCorrupt(corrupt: readonly boolean[]): TeamMeasurement {
  const size = corrupt.length
  const honest = corrupt.filter((each) => !each).length
  const credited = (CAP_BPS * TAU_SECONDS) / size
  const shared = honest === 0 ? 0 : (THETA_BPS * TAU_SECONDS) / honest
  return {
    memberCount: size,
    acks: [
      {
        bits: corrupt.map((each) => (each ? credited : shared)),
        ownSeconds: corrupt.map(() => TAU_SECONDS),
      },
    ],
  }
}

export interface StrictOutcome {
  readonly violations: number
  readonly samples: number
  /** j; 0 means that these parameters promise nothing. */
  readonly cleanTeams: number
  readonly faulty: number
}

export function sampleStrict(setting: StrictSetting, samples: number, random: Random): StrictOutcome {
  const beta = millionths(Math.round(setting.beta * 1e6))
  const attempts = setting.attempts ?? 1
  const delta = millionths(Math.floor((setting.delta * 1e6) / attempts))
  const clean = cleanTeams(beta, delta, setting.teams, setting.teamSize, setting.registry)
  const faulty = faultyMembers(beta, delta, setting.teams * setting.teamSize, setting.registry)
  const trueBeta = millionths(Math.round((setting.trueBeta ?? setting.beta) * 1e6))
  const corruptEntries = corruptOf(trueBeta, setting.registry)
  let violations = 0
  const isViolated = (): boolean => {
    let left = setting.registry
    let corruptLeft = corruptEntries
    const draw = (): boolean => {
      const corrupt = random.next() * left < corruptLeft
      left--
      if (corrupt) corruptLeft--
      return corrupt
    }
    const teams = Array.from({ length: setting.teams }, () =>
      bestForTheCorrupt(Array.from({ length: setting.teamSize }, draw)),
    )
    const { bps } = guaranteed(teams, {
      tauSeconds: TAU_SECONDS,
      capBps: CAP_BPS,
      faulty,
      cleanTeams: clean,
    })
    return bps > THETA_BPS * (1 + 1e-9)
  }
  for (let i = 0; i < samples; i++)
    // All are run: who shows the best of several chooses after them.
    if (Array.from({ length: attempts }, isViolated).includes(true)) violations++
  return { violations, samples, cleanTeams: clean, faulty }
}
