/** What `measure` and `lab` refuse before anything starts. */
import { badArgument } from './option.js'

/** What is drawn where nobody says. */
const DEFAULT_CHALLENGERS = 10

export interface CommitteeArguments {
  readonly profile: string
  readonly challengers: number | undefined
  readonly faulty: number
  readonly teams: number | undefined
  readonly beta: number | undefined
  readonly delta: number | undefined
  readonly attempts?: number | undefined
}

/** @throws UserError BAD_ARGUMENT where an uplink cannot be measured so */
export function checkDirection(direction: string, profile: string): void {
  if (direction !== 'down' && profile !== 'standard' && profile !== 'strict')
    throw badArgument(
      `an uplink cannot be measured with the profile ${profile}`,
      'use standard or strict: they have teams of one',
    )
}

/** @throws UserError BAD_ARGUMENT where the data that a challenge may move leaves no room for the search */
export function checkAvailable(available: boolean, direction: string, profile: string): void {
  if (available && (direction === 'up' || profile !== 'standard'))
    throw badArgument('--available belongs to a downlink and the standard profile', 'leave it out')
}

/** @throws UserError BAD_ARGUMENT */
export function checkCommittee(args: CommitteeArguments): void {
  if (args.profile === 'strict') return
  const strictOnly = (['teams', 'beta', 'delta', 'attempts'] as const).find(
    (name) => args[name] !== undefined,
  )
  if (strictOnly !== undefined)
    throw badArgument(
      `--${strictOnly} belongs to the strict profile`,
      'add --profile strict, or leave it out',
    )
  const challengers = args.challengers ?? DEFAULT_CHALLENGERS
  if (args.faulty >= challengers)
    throw badArgument(
      `--faulty ${args.faulty} must be below --challengers ${challengers}`,
      'standard wants 2 f + 1 teams',
    )
}
