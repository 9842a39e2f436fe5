/** The joint rates of challenges that ran together, from what each of them left behind. */
import type { Assessment } from '../assess.js'
import { capBps, teamMembers } from '../committee.js'
import type { Plan } from '../plan.js'
import { Profile, type Request } from '../request.js'
import type { FirstSend } from './first-send.js'
import { type JointRates, type JointSlot, jointRates } from './verdict.js'

/** One prover's challenge of those that ran together. */
export interface JointChallenge {
  readonly request: Request
  readonly plan: Plan
  readonly assessment: Assessment
  /** By slot: of each member of its team, in order. */
  readonly firstSends: (slot: number) => readonly (FirstSend | null)[]
}

/** @param challenges one a prover, of the same teams, at least one */
export function ratesTogether(challenges: readonly JointChallenge[]): JointRates {
  const [first] = challenges
  if (first === undefined) throw new RangeError('no challenge')
  const { plan, request } = first
  const slots = Array.from({ length: plan.teams }, (_, slot) => slotOf(challenges, slot))
  return jointRates(slots, {
    tauSeconds: plan.tauMicros / 1e6,
    capBps: challenges.reduce((sum, each) => sum + capBps(each.request.claimKbps), 0),
    faulty: plan.faulty,
    cleanTeams: request.profile === Profile.strict ? plan.cleanTeams : plan.teams - plan.faulty,
  })
}

function slotOf(challenges: readonly JointChallenge[], slot: number): JointSlot {
  const told = challenges.map(({ firstSends }) => firstSends(slot))
  const parts = challenges.map(({ assessment }) => assessment.slots.find((each) => each.slot === slot))
  const members = challenges[0] === undefined ? [] : teamMembers(challenges[0].plan, slot)
  return {
    trains: parts.flatMap((outcome, prover) => {
      if (outcome === undefined) return []
      const firstSendMicros = members.map((_, i) =>
        isOneClock(told, i) ? (told[prover]?.[i]?.firstSendMicros ?? null) : null,
      )
      return [{ team: outcome.team, firstSendMicros }]
    }),
    roundTripMicros: members.map((member) => {
      const rtts = parts.flatMap(
        (outcome) => outcome?.members.find((each) => each.member === member)?.rttMicros ?? [],
      )
      return rtts.length === 0 ? undefined : Math.min(...rtts)
    }),
  }
}

/** Readings of different clocks do not compare: a member that began anew in between has none. */
function isOneClock(told: readonly (readonly (FirstSend | null)[])[], member: number): boolean {
  const clocks = told.flatMap((each) => each[member]?.clock ?? [])
  return clocks.every((clock) => Buffer.compare(clock, clocks[0] ?? clock) === 0)
}
