/**
 * One team that drives several provers in the same slot (docs/protocol.md section 9.1): its trains, laid over each other on
 * the clock of each member, are one train of that team. So the clean-team lemma holds for their sum: nothing of a member was on
 * the wire before its earliest first send, and its own time runs from there.
 */
import type { TeamAck, TeamMeasurement } from '../aggregate/team-value.js'

/** What one prover's acks show of a slot that several shared. */
export interface JointTrain {
  readonly team: TeamMeasurement
  /**
   * When each member sent its first packet to this prover, on its own clock, in whole microseconds; null where it does not say.
   * One clock for all provers of a slot; clocks of different members need not agree.
   */
  readonly firstSendMicros: readonly (number | null)[]
}

/** The clock's readings are whole: differences of two may be one short. */
const READING_SECONDS = 1e-6

/** The team's acks of all provers together, in the order in which the whole team had them. */
export function jointTeam(trains: readonly JointTrain[]): TeamMeasurement {
  const memberCount = Math.max(0, ...trains.map(({ team }) => team.memberCount))
  const members = Array.from({ length: memberCount }, (_, member) => member)
  const earliest = members.map((member) => earliestSend(trains, member))
  const shifted = trains.map((train) => shift(train, earliest))
  const events = shifted
    .flatMap((acks, prover) =>
      acks.map((ack, k) => ({ prover, k, at: Math.max(...ack.ownSeconds.map(known)) })),
    )
    .sort((a, b) => a.at - b.at || a.k - b.k)
  const answering = shifted.filter((acks) => acks.length > 0).length
  const reached = new Map<number, TeamAck>()
  const acks = events.flatMap(({ prover, k }) => {
    const ack = shifted[prover]?.[k]
    if (ack !== undefined) reached.set(prover, ack)
    // Before all have answered, a part of what came stands for the whole: sound, and misleading as a slope.
    return reached.size < answering ? [] : [sumOf([...reached.values()], members)]
  })
  return { memberCount, acks }
}

/** A member's first send to anybody; null where it is not known of every prover that it reached. */
function earliestSend(trains: readonly JointTrain[], member: number): number | null {
  let earliest = Number.POSITIVE_INFINITY
  for (const { team, firstSendMicros } of trains) {
    const sent = team.acks.some((ack) => (ack.bits[member] ?? 0) > 0)
    const at = firstSendMicros[member] ?? null
    if (at !== null) earliest = Math.min(earliest, at)
    else if (sent) return null
  }
  return Number.isFinite(earliest) ? earliest : null
}

/** Own times that run from the member's earliest first send. */
function shift(
  { team, firstSendMicros }: JointTrain,
  earliest: readonly (number | null)[],
): readonly TeamAck[] {
  const later = earliest.map((first, member) => {
    const at = firstSendMicros[member] ?? null
    if (first === null || at === null) return null
    return at === first ? 0 : (at - first) / 1e6 + READING_SECONDS
  })
  return team.acks.map(({ bits, ownSeconds }) => ({
    bits,
    ownSeconds: ownSeconds.map((own, member) => {
      const shiftSeconds = later[member] ?? null
      return own === null || shiftSeconds === null ? null : own + shiftSeconds
    }),
  }))
}

/** Bits of all provers' latest acks, and for each member the latest of them that it waited for. */
function sumOf(acks: readonly TeamAck[], members: readonly number[]): TeamAck {
  return {
    bits: members.map((member) => acks.reduce((sum, { bits }) => sum + (bits[member] ?? 0), 0)),
    ownSeconds: members.map((member) => {
      const own = acks.map(({ ownSeconds }) => ownSeconds[member] ?? null)
      return own.includes(null) ? null : Math.max(...own.map(known))
    }),
  }
}

/** What a member does not have orders nothing. */
const known = (seconds: number | null): number => seconds ?? 0
