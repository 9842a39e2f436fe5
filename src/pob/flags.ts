/** Quality flags: what a reader of the number should know, in machine-readable words. */

import { teamSlope } from './aggregate/estimate.js'
import { upperMedian } from './aggregate/statistics.js'
import type { MemberOutcome, SlotOutcome } from './assess-slot.js'
import { RHO, RTT_CAP_MICROS } from './constants.js'

export const QUALITY_FLAGS = {
  offered_limited: 'the link carried all that was offered: it may be faster; claim more',
  overclaimed: 'the link is slower than claimed',
  rtt_high: 'round trips are long; the guarantee loses what they cost',
  teams_disagree: 'the teams saw different rates',
  starved_member: 'a member got far less through than its share',
  burst_suspect: 'the link was faster at first: a shaper with a large burst',
  equivocation: 'the prover gave different acks to different members',
  seed_withheld: 'a member did not reveal what it sent',
  dirty_sender: 'a sender was late, even when it was asked again',
  all_on: 'too few members for teams: all sent at once',
  subset_bound: 'too many subsets to try: a lower, still sound bound stands',
  echo_testimony: 'an uplink: what came back is the word of the members; none of it can be recomputed',
  user_timestamps: 'arrival times were taken in user space',
  cpu_limited: 'your box was busy throughout: it may limit the rate, not the link',
} as const
export type QualityFlag = keyof typeof QUALITY_FLAGS

/** The estimate above this share of the cap means that the offer was the limit. */
const OFFERED_LIMITED_SHARE = 0.97
/** Below this share of the claim the claim was wrong, not the measurement (p95 error is 2.5 %). */
const OVERCLAIMED_SHARE = 0.9
const DISAGREEMENT_SHARE = 0.1
const STARVED_SHARE = 0.5
/** Token-bucket bursts within the design limit (tau theta >= 20 b) stay under 7 % here. */
const BURST_SHARE = 1.15

export interface StatedInput {
  readonly claimKbps: number
  readonly estimateKbps: number
  readonly allOn: boolean
  readonly isUplink: boolean
  readonly roundTripMicros: readonly number[]
}

export interface FlagInput extends StatedInput {
  readonly slots: readonly SlotOutcome[]
  /** V_g(0), bit/s. */
  readonly values: readonly number[]
  readonly bounded: boolean
  readonly packetCount: number
}

/** Those that follow from what a committee signed and testified: nothing is recomputed for them. */
export function statedFlags(input: StatedInput): QualityFlag[] {
  const { claimKbps, estimateKbps, allOn, isUplink, roundTripMicros } = input
  const conditions: readonly (readonly [QualityFlag, boolean])[] = [
    ['offered_limited', estimateKbps >= OFFERED_LIMITED_SHARE * RHO * claimKbps],
    ['overclaimed', estimateKbps < OVERCLAIMED_SHARE * claimKbps],
    ['rtt_high', roundTripMicros.length > 0 && upperMedian(roundTripMicros) > RTT_CAP_MICROS],
    ['all_on', allOn],
    ['echo_testimony', isUplink],
  ]
  return conditions.flatMap(([name, isSo]) => (isSo ? [name] : []))
}

function starved(members: readonly MemberOutcome[]): boolean {
  const fair = upperMedian(members.map((member) => member.receivedPackets))
  return members.some((member) => member.committed && member.receivedPackets < STARVED_SHARE * fair)
}

/** The first ack shows a clearly higher rate than the flow after it. */
function startsFaster({ team }: SlotOutcome): boolean {
  const first = team.acks[0]
  const slope = teamSlope(team)
  const times = first?.ownSeconds.filter((own): own is number => own !== null && own > 0) ?? []
  if (first === undefined || slope === undefined || times.length === 0) return false
  const bits = first.bits.reduce((sum, value) => sum + value, 0)
  return bits / Math.max(...times) > BURST_SHARE * slope
}

export function qualityFlags(input: FlagInput): QualityFlag[] {
  const { slots, values } = input
  const stated = new Set(statedFlags(input))
  const members = slots.flatMap((slot) => slot.members)
  const flags: QualityFlag[] = []
  const flag = (name: QualityFlag, condition: boolean) => {
    if (condition) flags.push(name)
  }
  flag('offered_limited', stated.has('offered_limited'))
  flag('overclaimed', slots.length > 0 && stated.has('overclaimed'))
  flag('rtt_high', stated.has('rtt_high'))
  const most = Math.max(0, ...values)
  flag(
    'teams_disagree',
    values.length > 1 && most > 0 && (most - Math.min(...values)) / most > DISAGREEMENT_SHARE,
  )
  flag(
    'starved_member',
    slots.some((slot) => !slot.failed && starved(slot.members)),
  )
  flag('burst_suspect', slots.some(startsFaster))
  flag(
    'equivocation',
    members.some((member) => member.equivocal),
  )
  flag(
    'seed_withheld',
    members.some((member) => member.committed && !member.testified),
  )
  flag(
    'dirty_sender',
    slots.some((slot) => slot.dirty && !slot.failed),
  )
  flag('all_on', stated.has('all_on'))
  flag('subset_bound', input.bounded)
  flag('echo_testimony', stated.has('echo_testimony'))
  return flags
}
