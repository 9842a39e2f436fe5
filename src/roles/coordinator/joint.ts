/**
 * Several provers measured at the same moments by the same teams (docs/protocol.md section 9.1): one challenge each, of one
 * round, its slots in lockstep. Each has its own evidence and transcript; what they reached together is for who asked.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { UserError } from '../../errors.js'
import type { Committee } from '../../pob/committee.js'
import { ratesTogether } from '../../pob/joint/rates.js'
import type { JointRates } from '../../pob/joint/verdict.js'
import type { Venue, VenueTerms } from '../venue.js'
import { Lockstep } from './lockstep.js'
import type { ChallengeOrder, ChallengeOutcome, CoordinatorModules, ProgressEvent } from './types.js'

export interface JointOutcome {
  /** In the order's order. */
  readonly outcomes: readonly ChallengeOutcome[]
  readonly rates: JointRates
}

type RunChallenge = (
  order: ChallengeOrder,
  modules: CoordinatorModules,
  signal?: AbortSignal,
) => Promise<ChallengeOutcome>

/** @throws UserError where one of the challenges cannot be completed, or the draw gives them no common teams */
export async function runJoint(
  orders: readonly ChallengeOrder[],
  modules: CoordinatorModules,
  runChallenge: RunChallenge,
  signal?: AbortSignal,
  onProgress?: (prover: number, event: ProgressEvent) => void,
): Promise<JointOutcome> {
  const lockstep = new Lockstep(orders.length)
  const venue = sameTerms(modules.venue)
  const settled = await Promise.allSettled(
    orders.map(async (order, index) => {
      const party = lockstep.party(index)
      const own: CoordinatorModules = {
        ...modules,
        venue,
        onProgress: (event) => onProgress?.(index, event),
      }
      try {
        return await runChallenge({ ...order, lockstep: party }, own, signal)
      } catch (error) {
        party.leave(error)
        throw error
      }
    }),
  )
  const outcomes = settled.map((each) => {
    if (each.status === 'rejected') throw each.reason
    return each.value
  })
  const challenges = outcomes.map(({ firstSends, ...each }) => ({
    ...each,
    firstSends: (slot: number) => firstSends?.get(slot) ?? [],
  }))
  return { outcomes, rates: ratesTogether(challenges) }
}

/** One round for all: the draw of provers that no registry lists is then the same. */
function sameTerms(venue: Venue): Venue {
  let terms: Promise<VenueTerms> | undefined
  return {
    terms: (signal) => {
      terms ??= venue.terms(signal)
      return terms
    },
    requireCommittee: (request, signal) => venue.requireCommittee(request, signal),
    roundTime: (request) => venue.roundTime(request),
    opened: (accepted, signal) => venue.opened(accepted, signal),
    draw: (request, signal) => venue.draw(request, signal),
    settle: (signed, signal) => venue.settle(signed, signal),
  }
}

/**
 * The same teams for all, with uplinks that carry all of it: a challenger that cannot would read as a shared link.
 * @throws UserError
 */
export function requireCommonTeams(committees: readonly Committee[]): void {
  const [first] = committees
  const teamsOf = ({ members, teamSize, teams }: Committee) =>
    `${teamSize} ${members
      .slice(0, teamSize * teams)
      .map(({ publicKey }) => bytesToHex(publicKey))
      .join()}`
  if (first === undefined || first.allOn || committees.some((each) => teamsOf(each) !== teamsOf(first)))
    throw new UserError('the beacon draws no common teams for these provers', {
      code: 'UNAVAILABLE',
      remedy:
        'provers that the registry lists have draws of their own and cannot be measured together; otherwise measure again',
    })
  const neededKbps = committees.reduce((sum, { memberRateKbps }) => sum + memberRateKbps, 0)
  const senders = first.members.slice(0, first.teamSize * first.teams)
  const weakest = Math.min(...senders.map(({ uplinkKbps }) => uplinkKbps))
  if (weakest < neededKbps)
    throw new UserError(
      `a challenger that was drawn sends at most ${weakest / 1000} Mbit/s, and all provers together take ${neededKbps / 1000}`,
      { code: 'UNAVAILABLE', remedy: 'lower --claim, or use a registry with faster challengers' },
    )
}
