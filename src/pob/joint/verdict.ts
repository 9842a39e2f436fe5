/**
 * Whether provers share a link (docs/protocol.md section 9.1). Each alone may show the whole of it; together they show it once. What
 * they get together is bound by the lemma, so it is what counts wherever it is clearly less than the sum.
 */
import { estimate } from '../aggregate/estimate.js'
import { guaranteed, type RuleParameters } from '../aggregate/guaranteed.js'
import type { TeamMeasurement } from '../aggregate/team-value.js'
import { type JointTrain, jointTeam } from './team.js'

/**
 * Below this share of the sum a link is shared. Guarantees of an honest line lie between 0.9 and 1 of it, alone and together,
 * so that two separate ones keep a distance; provers that hold back alone gain at most 1 / 0.8.
 */
export const SHARED_BELOW_SHARE = 0.8

/** Trains that start further apart than this share of tau are left out of the estimate: its slope wants acks side by side. */
const ESTIMATE_SKEW_SHARE = 0.1
/** Further apart than this share of tau they did not run together, and tell nothing. */
const MOST_SKEW_SHARE = 0.5

export interface JointSlot {
  /** One for each prover. */
  readonly trains: readonly JointTrain[]
  /** Microseconds, by member; the least that it testified of any prover's path. */
  readonly roundTripMicros: readonly (number | undefined)[]
}

export interface JointRates {
  readonly guaranteedKbps: number
  readonly estimateKbps: number
  /**
   * The guarantee's rule with every prover's times from its own first packet on, as if all had started together, and slots that
   * failed as good as can be: what separate links would show however late one of them was, whatever is left out. A busy
   * machine or a third party can make provers late.
   */
  readonly upperKbps: number
  /** Slots in which nothing came, or not together, or a member does not say when it began. */
  readonly failedSlots: number
}

/** The rates of all provers together. @param parameters of the plans, with capBps the sum of what was offered to each */
export function jointRates(slots: readonly JointSlot[], parameters: RuleParameters): JointRates {
  const rule = guaranteed(
    slots.map(({ trains }) => jointTeam(trains)),
    parameters,
  )
  const upper = guaranteed(
    slots.map((slot) =>
      isInStep(slot, MOST_SKEW_SHARE * parameters.tauSeconds)
        ? jointTeam(slot.trains.map(startedTogether))
        : perfect(slot, parameters.tauSeconds),
    ),
    parameters,
  )
  const within = (share: number) => slots.filter((slot) => isInStep(slot, share * parameters.tauSeconds))
  const inStep = within(ESTIMATE_SKEW_SHARE)
  // An estimate of a few slots is one all the same: it distrusts less than half of those there are.
  const faulty = Math.max(0, Math.min(parameters.faulty, (inStep.length - 1) >> 1))
  // Trains that could not start together wait for each other, which is no fault of the link. Credited to the estimate alone.
  const credits = inStep.map(({ trains, roundTripMicros }) =>
    roundTripMicros.map((rtt, member) => (rtt ?? 0) + startSkewMicros(trains, member)),
  )
  const guess = estimate(
    inStep.map(({ trains }) => jointTeam(trains)),
    { ...parameters, faulty, cleanTeams: inStep.length - faulty },
    credits,
  )
  return {
    guaranteedKbps: Math.floor(rule.bps / 1000),
    // What is guaranteed is there, whatever else is known.
    estimateKbps: Math.floor(Math.max(rule.bps, guess.bps) / 1000),
    upperKbps: Math.floor(upper.bps / 1000),
    failedSlots: slots.length - within(MOST_SKEW_SHARE).length,
  }
}

const startedTogether = ({ team, firstSendMicros }: JointTrain): JointTrain => ({
  team,
  firstSendMicros: firstSendMicros.map((at) => (at === null ? null : 0)),
})

/** A slot of which nothing is known speaks against no rate: what was offered arrived. */
const perfect = ({ roundTripMicros }: JointSlot, tauSeconds: number): TeamMeasurement => ({
  memberCount: roundTripMicros.length,
  acks: [
    {
      bits: roundTripMicros.map(() => Number.MAX_SAFE_INTEGER),
      ownSeconds: roundTripMicros.map(() => tauSeconds),
    },
  ],
})

function isInStep({ trains, roundTripMicros }: JointSlot, mostSkewSeconds: number): boolean {
  const skews = roundTripMicros.map((_, member) => startSkewMicros(trains, member))
  const answered = trains.length > 0 && trains.every(({ team }) => team.acks.length > 0)
  return answered && trains.every(isDated) && skews.every((skew) => skew <= mostSkewSeconds * 1e6)
}

/** Whether everybody of whom something arrived says when it began: what is left out must accuse nobody. */
const isDated = ({ team, firstSendMicros }: JointTrain): boolean =>
  firstSendMicros.every(
    (at, member) => at !== null || team.acks.every(({ bits }) => (bits[member] ?? 0) === 0),
  )

function startSkewMicros(trains: readonly JointTrain[], member: number): number {
  const starts = trains.flatMap(({ firstSendMicros }) => firstSendMicros[member] ?? [])
  return starts.length === 0 ? 0 : Math.max(...starts) - Math.min(...starts)
}

/**
 * - `separate`: together they are guaranteed at least 0.8 of what each is guaranteed alone, summed up.
 * - `shared`: they do not reach it even where every late start is made up for, and at least two of them fall below 0.8 of
 *   their own: one alone may be held up, or hold back, on a line of its own.
 * - `unclear`: neither.
 */
export type LinkVerdict = 'separate' | 'shared' | 'unclear'

export interface SharedLink {
  readonly verdict: LinkVerdict
  /** The guarantees of each alone, summed up. */
  readonly sumKbps: number
  /** What may be credited to all of them together: the sum where they are separate, otherwise what they show together. */
  readonly creditKbps: number
}

/** What one prover is guaranteed. */
export interface BothGuarantees {
  readonly aloneKbps: number
  /** By itself, while the others were measured too. */
  readonly besideKbps: number
}

/** @param faulty corrupt members tolerated, one spoils one slot each */
export function sharedLink(
  provers: readonly BothGuarantees[],
  together: JointRates,
  faulty: number,
): SharedLink {
  const sumKbps = provers.reduce((sum, { aloneKbps }) => sum + aloneKbps, 0)
  const enough = SHARED_BELOW_SHARE * sumKbps
  const { guaranteedKbps, upperKbps, failedSlots } = together
  // The guarantee alone clears: colluding provers can start late. Alone it does not accuse: it may be low by bad luck.
  if (guaranteedKbps >= enough) return { verdict: 'separate', sumKbps, creditKbps: sumKbps }
  const fell = provers.filter(({ aloneKbps, besideKbps }) => besideKbps < SHARED_BELOW_SHARE * aloneKbps)
  const isShared = upperKbps < enough && failedSlots <= faulty && fell.length >= 2
  return { verdict: isShared ? 'shared' : 'unclear', sumKbps, creditKbps: Math.min(sumKbps, guaranteedKbps) }
}
